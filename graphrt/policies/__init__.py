"""Policies: what stands around the models that agents ask.

    Agent("Answer briefly.", policies=[cache("1h"), fallback("local"), timeout(first_byte="20s")])

The first is outermost: here a kept answer is given at once; only if there is none is the model asked, and if that
fails or says nothing for so long, another one. Policies of a run stand outside of those of its flow, those outside of
the node's, and those outside of the agent's. The value holds what is counted and kept, so whoever is given the same one
shares it.

Retries and timeouts of whole attempts are no policies but properties of a node: the stepper performs them, so that each
attempt is on record. The ones here bound and repeat a single request inside of a stack.
"""

from graphrt.policies.caching import Cache, cache
from graphrt.policies.falling_back import Fallback, fallback
from graphrt.policies.limiting import Limit, limit
from graphrt.policies.policy import Around, Policy, mark
from graphrt.policies.pooling import Pool, pool
from graphrt.policies.retrying import Retrying, retry
from graphrt.policies.timing import Timeout, timeout
from graphrt.policies.trimming import Window, context

__all__ = [
    "Around",
    "Cache",
    "Fallback",
    "Limit",
    "Policy",
    "Pool",
    "Retrying",
    "Timeout",
    "Window",
    "cache",
    "context",
    "fallback",
    "limit",
    "mark",
    "pool",
    "retry",
    "timeout",
]
