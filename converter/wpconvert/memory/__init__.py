"""How much RAM a model needs: lifetimes of its tensors, where they can lie, and the plan that a file carries."""
