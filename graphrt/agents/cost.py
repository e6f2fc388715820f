"""What a request cost, from a price list that ships with a library. What is not known is ``None``, never 0."""

from __future__ import annotations

from graphrt.agents.messages import Usage


def cost_usd(usage: Usage, model: str | None, *, base_url: str | None = None) -> float | None:
    """Price a request in US dollars: as whoever answered says in `usage.cost_usd`, else by the counts.

    ``base_url`` tells whose prices count; without it they are those of the provider that the model's name belongs to.
    ``None`` when a count, the model or the provider is unknown: a model on one's own machine has no price here.
    """
    if usage.cost_usd is not None:
        return None if isinstance(usage.cost_usd, str) else usage.cost_usd
    if model is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    import genai_prices  # noqa: PLC0415 - a megabyte of prices, read only when something is priced

    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
    )
    try:
        price = genai_prices.calc_price(counted, model, provider_api_url=base_url)
    except (LookupError, ValueError):
        return None
    return float(price.total_price)
