"""How much RAM a model needs: lifetimes of its tensors, where they can lie, and the plan that a file carries."""

from wpconvert.memory.predict import ArenaPrediction, predict
from wpconvert.memory.predict_tflm import predict_tflm

__all__ = ["ArenaPrediction", "predict", "predict_tflm"]
