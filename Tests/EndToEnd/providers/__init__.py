"""Scripted providers and runtimes: each speaks as its public documentation says, faults included."""

from .anthropic import Anthropic
from .dialect import Dialect
from .hugging_face import HuggingFace
from .llama_cpp import LlamaCpp
from .ollama import Ollama
from .openai import OpenAI
from .openrouter import OpenRouter
from .server import ProviderServer
from .tgi import TGI
from .turns import TURNS, Turn
from .vllm import VLLM

#: Those that speak OpenAI's protocol, each in its own way.
OPENAI_COMPATIBLE = (OpenAI(), OpenRouter(), VLLM(), TGI(), Ollama(), LlamaCpp(), HuggingFace())

__all__ = [
    "OPENAI_COMPATIBLE",
    "TGI",
    "TURNS",
    "VLLM",
    "Anthropic",
    "Dialect",
    "HuggingFace",
    "LlamaCpp",
    "Ollama",
    "OpenAI",
    "OpenRouter",
    "ProviderServer",
    "Turn",
]
