"""examples/pipeline.sh"""

from __future__ import annotations

from tests.examples.running import run_example

EXPECTED = """\
clicks: 5000
errors: 100
  /api/orders: 29
  /cart: 29
  /api/stock: 14
  /checkout: 14
  /search: 14
  /api: 43
  /cart: 29
  /checkout: 14
  /search: 14
10.0.0.0 - - [22/Nov/2026:09:22:30 +0000] "GET /api/orders HTTP/1.1" 502 950
"""


def test_pipeline(log_directory):
    result = run_example("pipeline.sh")
    assert result.err == ""
    assert result.out.decode() == EXPECTED
    assert result.status == 0
    assert not log_directory.exists()
