"""Forms of a page as a browser would send them."""

from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag
from werkzeug.datastructures import MultiDict


def form_of(page: str, action: str) -> Tag:
    """Find the one form of a page that is posted there."""
    soup = BeautifulSoup(page, "html.parser")
    found = [form for form in soup.select("form[method=post]") if str(form["action"]).partition("?")[0] == action]
    assert len(found) == 1, (action, [form["action"] for form in soup.select("form[method=post]")])
    return found[0]


def filled(form: Tag) -> MultiDict[str, str]:
    """Return all that pressing the form's button sends, as the form is now."""
    return MultiDict(list(_pairs(form)))


def _pairs(form: Tag) -> Iterator[tuple[str, str]]:
    for node in form.select("input[name], textarea[name], select[name]"):
        name, kind = str(node["name"]), node.get("type")
        if kind in {"radio", "checkbox"} and not node.has_attr("checked"):
            continue
        if node.name == "textarea":
            yield name, node.get_text()
        elif node.name == "select":
            chosen = node.select_one("option[selected]") or node.select_one("option")
            yield name, "" if chosen is None else str(chosen.get("value", chosen.get_text()))
        else:
            yield name, str(node.get("value", ""))
