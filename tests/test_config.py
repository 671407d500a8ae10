"""Settings are typed, checked all at once, and documented; secrets are never shown."""

import base64
from pathlib import Path

import pytest

from keymgr.config import BadSettings, Settings, load, variables
from keymgr.config.environment import files_with_secrets
from keymgr.config.shown import shown

ROOT = Path(__file__).parent.parent
KEK = base64.b64encode(b"k" * 32).decode()
OTHER_KEK = base64.b64encode(b"o" * 32).decode()
GOOD = {
    "KEYMGR_PUBLIC_URL": "https://keys.example.com",
    "KEYMGR_SECRET_KEY": "s" * 32,
    "KEYMGR_PEPPER": base64.b64encode(b"p" * 32).decode(),
    "KEYMGR_KEK": KEK,
}


def problems(**changed: str) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as caught:
        load(GOOD | changed)
    return caught.value.problems


def test_four_settings_are_enough() -> None:
    settings = load(GOOD)
    assert settings.public_url == "https://keys.example.com"
    assert settings.allowed_hosts == ("keys.example.com",)
    assert settings.database_url == "sqlite:///var/keymgr.db"
    assert settings.counters == Path("var/keymgr-counters")
    assert settings.trusted_proxies == ()
    assert settings.forge_url is None
    assert not settings.demo
    assert settings.issuing_enabled


def test_everything_that_is_missing_is_named_at_once_with_what_to_do() -> None:
    with pytest.raises(BadSettings) as caught:
        load({})
    named = [problem.split()[0] for problem in caught.value.problems]
    assert named == ["KEYMGR_PUBLIC_URL", "KEYMGR_SECRET_KEY", "KEYMGR_PEPPER", "KEYMGR_KEK"]
    assert all("keymgr init" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("KEYMGR_PUBLIC_URL", "keys.example.com", "is not a web address"),
        ("KEYMGR_PUBLIC_URL", "http://keys.example.com", "write https://"),
        ("KEYMGR_PUBLIC_URL", "https://keys.example.com/portal", "more than a host and a port"),
        ("KEYMGR_PUBLIC_URL", "https://u:p@keys.example.com", "more than a host and a port"),
        ("KEYMGR_DATABASE_URL", "mysql://db/keys", "is not a database address"),
        ("KEYMGR_COUNTERS", "redis://localhost", "is not a file or folder"),
        ("KEYMGR_BIND", "8000", "is not where a server can listen"),
        ("KEYMGR_BIND", "127.0.0.1:99999", "is not where a server can listen"),
        ("KEYMGR_DEMO", "maybe", "is neither yes nor no"),
        ("KEYMGR_WORKERS", "many", "is not a whole number from 1 to 64"),
        ("KEYMGR_WORKERS", "0", "is not a whole number from 1 to 64"),
        ("KEYMGR_WORKERS", "٣", "is not a whole number from 1 to 64"),
        ("KEYMGR_SECRET_BYTES", "16", "is not a whole number from 32 to 64"),
        ("KEYMGR_CLOCK_LEEWAY_SECONDS", "61", "is not a whole number from 0 to 60"),
        ("KEYMGR_SIGNING_ALGORITHM", "es265", "did you mean ES256?"),
        ("KEYMGR_TOKEN_FORM", "saml", "is not one of jwt, opaque"),
        ("KEYMGR_TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("KEYMGR_TRUSTED_PROXIES", "proxy", "is not a list of networks"),
        ("KEYMGR_FORGE_URL", "https://git.example/{nothing}", "is not a file on a forge"),
        ("KEYMGR_FORGE_URL", "ftp://git.example/{path}", "is not a file on a forge"),
        ("KEYMGR_FORGE_KIND", "githup", "did you mean github?"),
        ("KEYMGR_FORGE_WEBHOOK_SECRET", "short", "is shorter than 16 characters"),
        ("KEYMGR_FORGE_WEBHOOK_SECRET", "whsec_not base64!", "is not base64"),
        ("KEYMGR_POLICY_PULL_URL", "git.example/acme", "is not a repository"),
        ("KEYMGR_POLICY_PULL_URL", "http://git.example/acme", "is not a repository"),
        ("KEYMGR_POLICY_PULL_URL", "https://git.example/a b", "is not a repository"),
        ("KEYMGR_POLICY_PULL_URL", "ext::sh -c id", "is not a repository"),
        ("KEYMGR_POLICY_PULL_URL", "-oProxyCommand=id@x:y", "is not a repository"),
        ("KEYMGR_POLICY_PULL_REF", "--upload-pack=id", "is not a branch"),
        ("KEYMGR_POLICY_PULL_REF", "a..b", "is not a branch"),
        ("KEYMGR_POLICY_PULL_REF", "main:other", "is not a branch"),
        ("KEYMGR_POLICY_PULL_PATH", "../other", "is not a folder of the repository"),
        ("KEYMGR_POLICY_PULL_PATH", "a:b", "is not a folder of the repository"),
        ("KEYMGR_POLICY_PULL_SECONDS", "9", "is not a whole number from 10 to 86400"),
        ("KEYMGR_SECRET_KEY", "short", "is shorter than 32 characters"),
        ("KEYMGR_PEPPER", "c2hvcnQ=", "is shorter than 32 bytes"),
        ("KEYMGR_PEPPER", "not base64!", "is not base64"),
        ("KEYMGR_KEK", "c2hvcnQ=", "is not 32 bytes"),
        ("KEYMGR_KEK", f"a:{KEK} a:{OTHER_KEK}", "uses the same id twice"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable_and_the_mend(name: str, value: str, says: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(name)
    assert says in problem
    assert "\n" not in problem


@pytest.mark.parametrize("name", [name for name, item in variables().items() if item.metadata["secret"]])
def test_a_secret_is_never_repeated_neither_in_a_problem_nor_in_the_settings(name: str) -> None:
    told = " ".join(problems(**{name: "hunter2!"}))
    assert "hunter2" not in told
    shown = repr(load(GOOD | {"KEYMGR_DATABASE_URL": "postgresql://keymgr:hunter2@db/keys"}))
    assert "hunter2" not in shown
    assert "s" * 32 not in shown
    assert "kkkk" not in shown
    assert "pppp" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/acme/policies.git",
        "https://keymgr:token@git.example/acme/policies.git",
        "ssh://git@git.example:2222/acme/policies.git",
        "git@git.example:acme/policies.git",
        "file:///srv/policies.git",
        "http://127.0.0.1:3000/acme/policies.git",
    ],
)
def test_a_repository_may_be_named_in_the_ways_git_knows(url: str) -> None:
    settings = load(GOOD | {"KEYMGR_POLICY_PULL_URL": url})
    assert settings.policy_pull_url == url
    assert url not in repr(settings)
    assert settings.policy_pull_cache == Path("var/keymgr-policy.git")


@pytest.mark.parametrize(
    ("text", "folder"), [(".", ""), ("/", ""), ("./policies/", "policies"), ("a/b", "a/b"), (".keymgr", ".keymgr")]
)
def test_a_folder_of_the_repository_is_told_in_one_way(text: str, folder: str) -> None:
    assert load(GOOD | {"KEYMGR_POLICY_PULL_PATH": text}).policy_pull_path == folder


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"KEYMGR_FORGE_KIND": "github"}, "KEYMGR_FORGE_WEBHOOK_SECRET is not set"),
        ({"KEYMGR_FORGE_KIND": "github", "KEYMGR_FORGE_WEBHOOK_SECRET": ""}, "KEYMGR_FORGE_WEBHOOK_SECRET is not set"),
        ({"KEYMGR_FORGE_WEBHOOK_SECRET": "h" * 16}, "KEYMGR_FORGE_KIND is not set"),
        ({"KEYMGR_FORGE_KIND": "gitea", "KEYMGR_FORGE_WEBHOOK_SECRET": "h" * 16}, "needs KEYMGR_POLICY_PULL_URL"),
        (
            {
                "KEYMGR_FORGE_KIND": "github",
                "KEYMGR_FORGE_WEBHOOK_SECRET": "whsec_aGVsbG8gaGVsbG8=",
                "KEYMGR_POLICY_PULL_URL": "https://git.example/policies",
            },
            "is a signing token of GitLab",
        ),
    ],
)
def test_a_webhook_needs_a_forge_a_secret_and_something_to_fetch(changed: dict[str, str], says: str) -> None:
    (problem,) = problems(**changed)
    assert says in problem


def test_a_word_that_means_nothing_names_the_nearest_setting() -> None:
    (problem,) = problems(KEYMGR_WORKRS="3")
    assert problem == "KEYMGR_WORKRS is not a setting; did you mean KEYMGR_WORKERS?"


def test_what_kubernetes_adds_by_itself_and_what_a_verifier_reads_is_not_ours() -> None:
    added = {"KEYMGR_SERVICE_HOST": "10.0.0.1", "KEYMGR_SERVICE_PORT_HTTP": "80", "KEYMGR_PORT_80_TCP_ADDR": "10.0.0.1"}
    assert load(GOOD | added | {"KEYMGR_PORT": "tcp://10.0.0.1:80", "KEYMGR_VERIFIER_URL": "x"}).workers == 2


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "kek"
    file.write_text(f"2026:{OTHER_KEK}\n2025:{KEK}\n")
    without = {name: value for name, value in GOOD.items() if name != "KEYMGR_KEK"}
    settings = load(without | {"KEYMGR_KEK_FILE": str(file)})
    assert settings.kek == (("2026", b"o" * 32), ("2025", b"k" * 32))
    assert files_with_secrets({"KEYMGR_KEK_FILE": str(file)}) == (file,)


def test_a_kek_without_an_id_is_called_after_its_own_digest_so_that_it_stays_the_same() -> None:
    ((name, raw),) = load(GOOD).kek
    assert raw == b"k" * 32
    assert name == load(GOOD).kek[0][0]
    assert name != load(GOOD | {"KEYMGR_KEK": OTHER_KEK}).kek[0][0]


def test_a_secret_in_two_places_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(KEYMGR_KEK_FILE=str(tmp_path / "kek"))
    assert problem == "KEYMGR_KEK and KEYMGR_KEK_FILE are both set; keep one of them."


def test_a_secret_file_that_cannot_be_read_is_one_problem_not_two(tmp_path: Path) -> None:
    without = {name: value for name, value in GOOD.items() if name != "KEYMGR_KEK"}
    with pytest.raises(BadSettings) as caught:
        load(without | {"KEYMGR_KEK_FILE": str(tmp_path / "nowhere")})
    (problem,) = caught.value.problems
    assert "cannot be read" in problem


def test_the_env_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "keymgr.env"
    lines = [f"{name}='{value}'" for name, value in GOOD.items()]
    file.write_text("\n".join(["# a comment", "", *lines, "export KEYMGR_WORKERS=3", "KEYMGR_THREADS = 4", "PATH=x"]))
    with pytest.raises(BadSettings, match=r"keymgr\.env:8: is not a line KEY=VALUE"):
        load({"KEYMGR_ENV_FILE": str(file)})
    file.write_text("\n".join([*lines, "export KEYMGR_WORKERS=3", "KEYMGR_THREADS=4", "PATH=x"]))
    settings = load({"KEYMGR_ENV_FILE": str(file), "KEYMGR_THREADS": "9"})
    assert (settings.workers, settings.threads) == (3, 9)


def test_a_setting_that_stands_twice_in_the_env_file_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "keymgr.env"
    file.write_text("KEYMGR_WORKERS=3\nKEYMGR_WORKERS=4\n")
    (problem,) = problems(KEYMGR_ENV_FILE=str(file))
    assert problem == f"{file}:2: KEYMGR_WORKERS is set twice; keep one of them."


def test_an_env_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(KEYMGR_ENV_FILE=str(tmp_path / "nowhere.env"))
    assert problem.startswith("KEYMGR_ENV_FILE")


@pytest.mark.parametrize(
    "changed",
    [
        {"KEYMGR_BIND": "0.0.0.0:8000"},
        {"KEYMGR_BIND": "keys.example.com:8000"},
        {"KEYMGR_BIND": "unix:/run/keymgr.sock"},
        {"KEYMGR_PUBLIC_URL": "https://keys.example.com"},
        {"KEYMGR_TRUSTED_PROXIES": "127.0.0.1"},
    ],
)
def test_the_demo_refuses_to_leave_this_machine(changed: dict[str, str]) -> None:
    demo = {"KEYMGR_DEMO": "yes", "KEYMGR_PUBLIC_URL": "http://localhost:8000"}
    assert load(GOOD | demo).demo
    (problem,) = problems(**(demo | changed))
    assert problem.startswith(next(iter(changed)))


def test_on_this_machine_the_pages_answer_to_all_its_names() -> None:
    assert load(GOOD | {"KEYMGR_PUBLIC_URL": "http://127.0.0.1:8000"}).allowed_hosts == (
        "localhost",
        "127.0.0.1",
        "[::1]",
    )


def test_the_rate_counters_stand_beside_the_database() -> None:
    assert load(GOOD | {"KEYMGR_DATABASE_URL": "sqlite:////data/k.db"}).counters == Path("/data/keymgr-counters")
    assert load(GOOD | {"KEYMGR_DATABASE_URL": "postgresql://db/k"}).counters == Path("var/keymgr-counters")


@pytest.mark.parametrize("name", list(variables()))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    item = variables()[name]
    (row,) = [line for line in (ROOT / "docs/settings.md").read_text().splitlines() if line.startswith(f"| `{name}` |")]
    default = item.metadata["default"]
    assert ("required" in row) if default is None else (default in row)
    assert len(item.metadata["description"]) > 20


def test_a_page_may_show_every_setting_and_of_a_secret_only_that_it_is_set() -> None:
    settings = load(GOOD | {"KEYMGR_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32"})
    lines = {line.name: line for line in shown(settings)}
    assert list(lines) == list(variables())
    assert (lines["KEYMGR_KEK"].value, lines["KEYMGR_FORGE_WEBHOOK_SECRET"].value) == ("set", "")
    assert not any(KEK in line.value or "s" * 32 in line.value for line in lines.values())
    assert lines["KEYMGR_TRUSTED_PROXIES"].value == "10.0.0.0/8, 2001:db8::/32"
    assert lines["KEYMGR_DEMO"].value == "false"
    assert lines["KEYMGR_FORGE_KIND"].value == ""
    assert lines["KEYMGR_POLICY_PULL_GPG_HOME"].value == ""
    assert lines["KEYMGR_WORKERS"].value == "2"
    assert lines["KEYMGR_PUBLIC_URL"].default == "required"


def test_the_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load(GOOD).demo = True  # type: ignore[misc] # what the test is about.
    assert Settings.__slots__
