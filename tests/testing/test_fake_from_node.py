"""A client in another language, written from the vendor's page alone."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from elevate_integration.testing import FakeElevate
from tests.testing.conftest import KEY

CLIENT = """
const http = require("http");
const [base, key] = process.argv.slice(-2);

function post(path, fields) {
  return new Promise((resolve, reject) => {
    const request = http.request(base + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
    }, (response) => {
      let text = "";
      response.on("data", (piece) => { text += piece; });
      response.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
    // Written in two pieces, so that it is sent in chunks.
    const body = JSON.stringify(fields);
    request.write(body.slice(0, 20));
    request.end(body.slice(20));
  });
}

async function main() {
  const member = {
    api_key: key, remote_user_id: "M-77", firstname: "Zo\\u00eb", lastname: "Example",
    email: "zoe@example.org", amount_paid: "0.00", send_email: true,
  };
  const unknown = await post("/api/registrations", { ...member, remote_product_id: "NOPE" });
  const first = await post("/api/registrations", { ...member, remote_product_id: "ABCD1234" });
  const second = await post("/api/registrations", { ...member, remote_product_id: "ABCD1234", amount_paid: 12.5 });
  const cancelled = await post("/registrations/cancel", {
    api_key: key, registration_id: first.registration_id, cancellations_email: "office@example.org",
    cancellation_explanation: "Refunded", notify_cancelled_user: false, cancellation_explanation_for_user: "",
  });
  console.log(JSON.stringify({ unknown, first, second, cancelled }));
}

main().catch((error) => { console.error(error); process.exit(1); });
"""


def test_a_client_in_node_registers_and_cancels(fake: FakeElevate) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node on the machine")
    command = [node, "-e", CLIENT, "--", fake.url, KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)

    assert answers["unknown"] == {"error_messages": {"product": "The requested product could not be found."}}
    first, second = fake.registrations
    assert answers["first"]["registration_id"] == first.registration_id
    assert answers["second"]["registration_id"] == second.registration_id
    assert answers["cancelled"] == {"success": True}
    assert (first.cancelled, second.cancelled) == (True, False)
    assert (first.firstname, second.amount_paid) == ("Zoë", "12.5")
