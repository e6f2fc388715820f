"""The embedded model of the extra ``local``. Importing this loads neither the native library nor the weights."""

from graphrt.agents.models.local.model import LocalModel, local_model
from graphrt.agents.models.local.weights import cache_folder, is_installed

__all__ = ["LocalModel", "cache_folder", "is_installed", "local_model"]
