"""Modules composed from the ops: one cell, one file, equations first."""

from .cell import Cell, RNNState, Step
from .embedding import Embedding
from .gru import GRU, GRUCell
from .linear import Dropout, LayerNorm, Linear, Sequential, dropout
from .loss import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from .lstm import (
    LSTM,
    CoupledLSTMCell,
    LSTM1997Cell,
    LSTMCell,
    LSTMState,
    NoForgetLSTMCell,
    PeepholeLSTMCell,
    TruncatedLSTMCell,
)
from .module import Module
from .recurrent import Output, Recurrent, unfused
from .rnn import RNN, RNNCell

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "CoupledLSTMCell",
    "Dropout",
    "Embedding",
    "GRUCell",
    "LSTM1997Cell",
    "LSTMCell",
    "LSTMState",
    "LayerNorm",
    "Linear",
    "Module",
    "NoForgetLSTMCell",
    "Output",
    "PeepholeLSTMCell",
    "RNNCell",
    "RNNState",
    "Recurrent",
    "Sequential",
    "Step",
    "TruncatedLSTMCell",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "mse_loss",
    "unfused",
]
