"""What a node returns and no record can hold."""

from pathlib import Path

import pytest

from graphrt import codec
from graphrt.runtime import run
from graphrt.stores import open_store
from tests.runtime.flows import Work, chain

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("value", ["x" * 20_000, "é" * 8_000, '"' * 9_000])
async def test_a_value_that_fits_no_record_fails_its_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A text that is larger than a record may be is the node's failure, told with its size, and not the driver's."""
    monkeypatch.setattr(codec, "MAX_LINE", 10_000)

    async def large() -> str:
        return value

    store = open_store(tmp_path / "runs.db")
    result = await run(chain(large).freeze(), Work(), store=store, run_id="r")
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.type == "WriteRefused"
    assert "bytes, more than the 9375 of one record" in result.error.message
    assert store.info("r").status == "failed"
    store.close()
