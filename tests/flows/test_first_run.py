"""Flow 1: an empty database, `keymgr serve`, the code of its log, and a verified key, with JavaScript and without."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.cli.servers import Server, serving

PASSWORD = "four words in a row"


def set_up(page: Page, server: Server, base: str) -> None:
    """Do what the pages say, as somebody does who has never seen them."""
    code = re.search(r"with the code (\S+)", server.log)
    assert code
    page.goto(f"{base}/login")
    page.click("text=Create the first administrator")
    for field, text in (("token", code[1]), ("display_name", "Root"), ("name", "root"), ("password", PASSWORD)):
        page.fill(f"#{field}", text)
    page.click("text=Create administrator")
    page.fill("#name", "root")
    page.fill("#password", PASSWORD)
    page.click("main button")
    expect(page.locator("h1")).to_have_text("2 steps to your first verified key")
    page.click("text=Load the sample policy")
    expect(page.locator("#policy .status")).to_have_text("Done")
    page.click("text=Issue a test key and verify it")
    expect(page.locator("#test-key .banner")).to_contain_text("200 ok.")
    expect(page.locator("h1")).to_have_text("Your first key is verified")


def test_an_empty_install_has_a_verified_key_within_a_few_clicks(page: Page, tmp_path: Path) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    with serving(tmp_path, KEYMGR_WORKERS="1") as server:
        base = f"http://localhost:{server.port}"
        set_up(page, server, base)
        page.goto(f"{base}/keys/new?name=mine&service=hello&environment=dev&scope=hello:read")
        page.click("#send")
        expect(page.locator("h1")).to_contain_text("“mine” is ready")
        token = page.input_value("#token")
        page.goto(f"{base}/setup")
        page.click("text=Finish the set-up")
        expect(page.locator("h1")).to_have_text("Admin")
        answer = page.goto(f"{base}/setup")
        assert answer
        assert answer.status == 404
        assert token not in server.log
        assert PASSWORD not in server.log
