"""A device on loopback for device_test.py: a real sshd of our own, and an adb that plays one.

Everything lies in a temporary folder: keys, configuration, the device's folder for temporary files, and the programs that
its shell finds first. The server listens on 127.0.0.1 only, runs as the user of the test, and ends with it, or after
ten minutes.
"""

import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

LONGEST_SECONDS = 600

# What the device's login shell does: noise, then the command. Fakes go before the device's programs.
LOGIN = """#!/bin/sh
echo "Welcome to the device"
export PATH="{fakes}:$PATH" TMPDIR="{temporary}" HOME="{home}"
cd "$HOME"
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""

CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {root}/host_key
PidFile none
AuthorizedKeysFile {root}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
ForceCommand {root}/login
"""


def obstacle_to_ssh():
    """Why there can be no server here, or None."""
    for program in ("sshd", "ssh", "ssh-keygen", "timeout"):
        if which(program) is None:
            return f"no {program} (Debian: openssh-server, openssh-client)"
    return None


def which(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def write_program(file, text):
    file.write_text(text, encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


class Device:
    """Folders of a device: what its shell finds first, its home, and its folder for temporary files."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for name in ("fakes", "home", "temporary"):
            (self.root / name).mkdir()

    def fake(self, program, text):
        """The device's `program` does `text` from now on."""
        write_program(self.root / "fakes" / program, "#!/bin/sh\n" + text + "\n")

    def unfake(self):
        for file in (self.root / "fakes").iterdir():
            file.unlink()

    def left(self):
        """What lies in the device's folders for temporary files, and its home."""
        return sorted(p.name for folder in ("temporary", "home") for p in (self.root / folder).iterdir())

    def stop(self):
        self.folder.cleanup()


class SshDevice(Device):
    """A device behind a real sshd."""

    def __init__(self):
        super().__init__()
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.root / key], check=True)
        write_program(self.root / "login", LOGIN.format(fakes=self.root / "fakes", temporary=self.root / "temporary",
                                                        home=self.root / "home"))
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it; a boot makes it otherwise
        self.server = None
        for _ in range(5):  # the port may be taken between asking and listening
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                self.port = s.getsockname()[1]
            (self.root / "sshd_config").write_text(CONFIGURATION.format(port=self.port, root=self.root))
            self.server = subprocess.Popen(["timeout", str(LONGEST_SECONDS), which("sshd"), "-D", "-e", "-f",
                                            self.root / "sshd_config"], stderr=subprocess.DEVNULL)
            if self.answers():
                break
        host_key = (self.root / "host_key.pub").read_text()
        (self.root / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")

    def answers(self):
        for _ in range(100):
            if self.server.poll() is not None:
                return False
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.1)
        return False

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def options(self, known_hosts="known_hosts"):
        """Of `tally device run`, that its ssh finds the keys."""
        values = (f"IdentityFile={self.root}/user_key", f"UserKnownHostsFile={self.root}/{known_hosts}",
                  "IdentitiesOnly=yes", "StrictHostKeyChecking=yes")
        return [word for value in values for word in ("--ssh-option", value)]

    def descendants(self):
        """Of the server: (pid, words of its command line)."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                except OSError:
                    continue  # it has ended
                parents[int(entry.name)] = (int(fields[1]), words)
        found, grew = {self.server.pid}, True
        while grew:
            more = {pid for pid, (parent, _) in parents.items() if parent in found} - found
            found |= more
            grew = bool(more)
        return [(pid, parents[pid][1]) for pid in found if pid in parents and pid != self.server.pid]

    def drop_connections(self):
        """Kills the processes that serve connections, as a broken line would; the server goes on listening."""
        for pid, words in self.descendants():
            if words[0].startswith("sshd:") and "[listener]" not in " ".join(words):
                os.kill(pid, signal.SIGKILL)

    def stop(self):
        if self.server is not None:
            self.server.terminate()
            self.server.wait()
        super().stop()


# An adb that plays one device: `shell` runs here, `push` copies.
FAKE_ADB = """#!/bin/sh
if [ "$1" = devices ]; then printf 'List of devices attached\\n{listing}\\n'; exit 0; fi
[ "$1" = -s ] && [ "$2" = {serial} ] || {{ echo "adb: device '$2' not found" >&2; exit 1; }}
shift 2
export PATH="{fakes}:$PATH" HOME="{home}"
case "$1" in
  shell) shift; exec sh -c "$*" ;;
  push) cp -- "$2" "$3" || exit 1; echo "1 file pushed" ;;
  *) exit 1 ;;
esac
"""


class FakeAdbDevice(Device):
    """A device behind a script named adb: no phone was asked."""

    serial = "0A1B2C3D"

    def __init__(self):
        super().__init__()
        (self.root / "bin").mkdir()
        self.list(f"{self.serial}\\tdevice")

    def list(self, listing):
        write_program(self.root / "bin" / "adb", FAKE_ADB.format(listing=listing, serial=self.serial, fakes=self.root / "fakes",
                                                                 home=self.root / "home"))

    def path(self):
        return f"{self.root}/bin:" + os.environ["PATH"]
