"""The functions of `wpconvert`, by what they work on."""
