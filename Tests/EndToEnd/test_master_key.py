"""The master key: made once, read from where it is kept, changed for another one, and never repeated."""

import base64
import os
import threading
import time
from contextlib import suppress

import httpx2 as httpx
import pytest
from harness import processes
from harness.sealed import PROVIDER_KEY, add_provider
from harness.searching import Search, assert_nothing
from harness.tenancy import Admin, chat
from harness.volery import Platform, volery


def test_the_master_key_is_made_once_for_its_owner_alone(fresh):
    platform = fresh().start()
    file = platform.data_dir / "master-key"
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert platform.stop() == 0
    platform.start()
    assert file.read_text() == text


def test_a_master_key_that_others_can_read_is_refused(fresh, tmp_path):
    file = tmp_path / "key"
    file.write_text(base64.b64encode(os.urandom(32)).decode())
    file.chmod(0o644)
    platform = fresh(environment={"VOLERY_MASTER_KEY_FILE": str(file)})
    platform.start(wait="")
    assert platform.process.wait(60) == 1
    assert str(file) in platform.output and "chmod" in platform.output
    assert file.read_text() not in platform.output


@pytest.mark.parametrize("text", ["", "short", "zz" * 32, "00" * 32])
def test_a_master_key_that_is_none_is_refused_and_not_repeated(fresh, tmp_path, text):
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    platform = fresh(environment={"VOLERY_MASTER_KEY_FILE": str(file)})
    platform.start(wait="")
    assert platform.process.wait(60) == 1
    assert "master" in platform.output and (not text or text not in platform.output)


def test_a_systemd_credential_is_taken(fresh, tmp_path):
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    file = folder / "master-key"
    file.write_text(base64.b64encode(os.urandom(32)).decode())
    file.chmod(0o400)
    platform = fresh(environment={"CREDENTIALS_DIRECTORY": str(folder)}).start()
    assert not (platform.data_dir / "master-key").exists()
    assert platform.stop() == 0


def test_rotation_of_the_master_key_keeps_every_secret_and_the_audit_log(fresh, upstream, tmp_path):
    old, new = (tmp_path / name for name in ("old", "new"))
    for file in (old, new):
        file.write_text(os.urandom(32).hex())
        file.chmod(0o600)
    data_dir = tmp_path / "data"
    platform = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(old)}).start()
    _, model = add_provider(Admin(platform), upstream)
    assert platform.stop() == 0
    lost = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(new)})
    lost.start(wait="")
    assert lost.process.wait(60) == 1, "the old one is missing"
    assert "CONFIGURATION_INVALID" in lost.output and "master" in lost.output
    both = {"VOLERY_MASTER_KEY_FILE": str(new), "VOLERY_MASTER_KEY_PREVIOUS_FILE": str(old)}
    platform = fresh(data_dir=data_dir, environment=both).start()
    assert chat(platform, platform.key, model).status_code == 200
    done = platform.volery("secrets", "reseal", **both)
    assert done.code == 0, done.err
    assert platform.stop() == 0
    platform = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(new)}).start()
    assert chat(platform, platform.key, model).status_code == 200, "the old key is needed no longer"
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    verified = platform.volery("audit", "verify", "--json", VOLERY_MASTER_KEY_FILE=str(new))
    assert verified.code == 0, verified.out
    assert platform.stop() == 0


def test_kill_9_while_resealing_leaves_everything_readable(fresh, upstream, tmp_path):
    old, new = (tmp_path / name for name in ("old", "new"))
    for file in (old, new):
        file.write_text(os.urandom(32).hex())
        file.chmod(0o600)
    data_dir = tmp_path / "data"
    platform = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(old)}).start()
    admin = Admin(platform)
    models = [add_provider(admin, upstream, f"{PROVIDER_KEY}-{number}")[1] for number in range(20)]
    assert platform.stop() == 0
    both = {"VOLERY_MASTER_KEY_FILE": str(new), "VOLERY_MASTER_KEY_PREVIOUS_FILE": str(old)}
    for delay in (0, 0.005, 0.02):
        platform = fresh(data_dir=data_dir, environment=both).start()
        asking = threading.Thread(target=reseal_quietly, args=(platform,))
        asking.start()
        time.sleep(delay)
        platform.process.kill()
        platform.process.wait(10)
        asking.join(60)
    platform = fresh(data_dir=data_dir, environment=both).start()
    for number, model in enumerate(models):
        assert chat(platform, platform.key, model).status_code == 200
        assert upstream.requests[-1].headers["authorization"] == f"Bearer {PROVIDER_KEY}-{number}"
    assert platform.stop() == 0


def reseal_quietly(platform: Platform) -> None:
    with suppress(httpx.HTTPError):
        Admin(platform).call("POST", "/v1/admin/secrets/reseal")


def test_a_master_key_in_the_environment_goes_no_further(fresh, upstream, tmp_path):
    """It is in the platform's own environment, since that is where it was put; children do not inherit it."""
    key = base64.b64encode(os.urandom(32)).decode()
    platform = fresh(environment={"VOLERY_MASTER_KEY": key}).start()
    search = Search()
    search.add("master key", key)
    add_provider(Admin(platform), upstream)
    for pid in processes.descendants(platform.process.pid):
        assert_nothing(search.found(f"environ of {processes.command_line(pid)}", processes._read(pid, "environ")))
    checked = volery("serve", "--check-config", data_dir=tmp_path / "other", VOLERY_MASTER_KEY=key)
    assert_nothing(search.found("check-config", checked.out + checked.err))
    assert platform.stop() == 0
    assert_nothing(search.in_folder(platform.data_dir) + search.found("output", platform.output))
