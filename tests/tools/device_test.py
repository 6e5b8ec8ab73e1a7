#!/usr/bin/env python3
"""`tally device run`, over a real sshd on loopback, the real adb without a device, and an adb that plays one.

  device_test.py TALLY SOURCE_DIR [EMULATOR...]

The device runs the same program as the test: natively, or, for a cross-build, through the emulator, which the device's
own `uname` then agrees with. What could not run is printed as skipped.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import device_host

TALLY = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
EMULATOR = sys.argv[3:]
LENET = SOURCE / "tools/models/lenet5_fashion.onnx"
LSTM = SOURCE / "tools/models/lstm_fashion.onnx"
HOSTILE = "it's $(touch pwned) `touch pwned`; touch pwned #\"\\\n'"


def machine_of(file):
    return {62: "x86_64", 183: "aarch64", 40: "armv7l"}[int.from_bytes(pathlib.Path(file).read_bytes()[18:20], "little")]


class Case(unittest.TestCase):
    """Work in an empty folder, with runs stored below it."""

    @classmethod
    def setUpClass(cls):
        cls.device = None
        cls.start()
        if cls.device is not None:
            cls.addClassCleanup(cls.device.stop)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.work = pathlib.Path(self.folder.name)
        if self.device is not None:
            self.device.unfake()
            if EMULATOR:  # the device's kernel must seem to be the program's
                self.device.fake("uname", f'[ "$1" = -m ] && echo {machine_of(TALLY)} || echo emulated')

    def words(self, *arguments, through=()):
        words = [*EMULATOR, TALLY, "device", "run", "--binary", TALLY]
        if through or EMULATOR:
            words += ["--through", " ".join([*through, *EMULATOR])]
        return words + [str(a) for a in arguments]

    def tally(self, *arguments, environment=None, through=()):
        return subprocess.run(self.words(*arguments, through=through), capture_output=True, text=True, cwd=self.work,
                              env={**os.environ, **(environment or {})})

    def stored(self):
        return sorted((self.work / "device-runs").rglob("*.json"))

    def check_nothing_left(self):
        self.assertEqual(self.device.left(), [])
        here = [str(p) for p in self.work.rglob("*") if p.name.endswith(".part") or p.name == "pwned"]
        self.assertEqual(here, [])

    def check_refused(self, done, code, *words):
        self.assertEqual(done.returncode, code, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(self.stored(), [])


def counts(document):
    return [(layer["name"], layer["executed"], layer["gap"]) for layer in document["layers"]]


class Ssh(Case):
    @classmethod
    def start(cls):
        reason = device_host.obstacle_to_ssh()
        if reason:
            raise unittest.SkipTest(reason)
        cls.device = device_host.SshDevice()

    def ssh(self, *arguments):
        return self.tally("--ssh", self.device.address, *self.device.options(), *arguments)

    def passed(self, *more):
        return ["--", "--seed", "1", "--repeats", "5", "--seconds", "0", "--no-overhead", *more]

    def test_profiles_come_back_and_nothing_stays(self):
        done = self.ssh(LENET, LSTM, *self.passed())
        self.assertEqual(done.returncode, 0, done.stderr)
        lenet, lstm = self.stored()
        self.assertEqual(lenet.parent.name, self.device.address.replace(":", "_"))
        self.assertRegex(lenet.name, r"^lenet5_fashion-\d{8}T\d{6}Z\.json$")
        document = json.loads(lenet.read_text())
        self.assertEqual(document["schema"], "tally.profile/1")
        self.assertEqual(document["model"]["path"], str(LENET))
        self.assertEqual(document["device"]["address"], self.device.address)
        self.assertEqual(document["device"]["architecture"], machine_of(TALLY))
        self.assertEqual(document["device"]["emulated"], bool(EMULATOR))
        self.assertEqual(document["device"]["options"], self.passed()[1:])
        self.assertEqual(document["totals"]["ideal"]["macs"], 416520)
        self.assertEqual(document["totals"]["measured"] is None, bool(EMULATOR))
        here = subprocess.run([*EMULATOR, TALLY, "profile", LENET, "--format", "json", *self.passed()[1:]],
                              capture_output=True, text=True, check=True)
        self.assertEqual(counts(document), counts(json.loads(here.stdout)))
        self.assertIn("executed", json.loads(lstm.read_text())["totals"])
        for word in ("architecture", "clock", "temperature", "load", "disk", "counters", str(lenet.name)):
            self.assertIn(word, done.stdout.replace("\n", " "))
        self.check_nothing_left()
        for command in (["report", lenet, lstm, "-o", self.work / "x.html"], ["compare", lenet, lenet]):
            again = subprocess.run([*EMULATOR, TALLY, *map(str, command)], capture_output=True, text=True)
            self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(lenet.parent.name, (self.work / "x.html").read_text(encoding="utf-8"))

    def test_bench_has_a_name_of_its_own(self):
        done = self.ssh("--bench", LENET, "--format", "json", "--", "--repeats", "5", "--seconds", "0")
        if EMULATOR:
            return self.check_refused(done, 2, "an emulator's times say nothing")
        self.assertEqual(done.returncode, 0, done.stderr)
        run, = json.loads(done.stdout)["devices"][0]["runs"]
        self.assertIn("lenet5_fashion-bench-", run["file"])
        self.assertGreater(run["median_ns"], 0)
        self.assertEqual(json.loads((self.work / run["file"]).read_text())["schema"], "tally.bench/1")

    def test_hostile_names_are_only_names(self):
        folder = self.work / HOSTILE
        folder.mkdir()
        shutil.copy(LENET, folder / "model.onnx")
        shutil.copy(LENET, self.work / (HOSTILE + ".onnx"))
        (self.work / (HOSTILE + ".npy")).write_bytes(b"")
        done = self.ssh(folder, HOSTILE + ".onnx", "--with", HOSTILE + ".npy", *self.passed("--dim", "x=" + HOSTILE))
        self.assertEqual(done.returncode, 2, done.stderr)  # tally there has read the hostile option as one word
        self.assertIn("must be NAME=N", done.stderr)
        self.check_nothing_left()
        done = self.ssh(folder, HOSTILE + ".onnx", *self.passed())
        self.assertEqual(done.returncode, 0, done.stderr)
        names = [json.loads(file.read_text())["model"]["name"] for file in self.stored()]
        self.assertEqual(names, [HOSTILE, HOSTILE])
        self.check_nothing_left()

    def test_files_for_options_go_along(self):
        values = b"\0" * (4 * 28 * 28)
        head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }"
        head += b" " * (-(len(head) + 11) % 64) + b"\n"
        (self.work / "an input.npy").write_bytes(b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + values)
        shape = json.loads(subprocess.run([*EMULATOR, TALLY, "estimate", LENET, "--format", "json"], capture_output=True,
                                          check=True).stdout)["model"]["inputs"][0]["shape"]
        done = self.ssh(LENET, "--with", "an input.npy", "--", "-i", "an input.npy", "--repeats", "3", "--seconds", "0")
        if shape == [1, 1, 28, 28]:
            self.assertEqual(done.returncode, 0, done.stderr)
        else:  # it was found and read there
            self.assertIn("28", done.stderr)

    def test_another_architecture_is_refused_before_anything_is_copied(self):
        self.device.fake("uname", "echo riscv64")
        self.device.fake("mktemp", "touch \"$HOME/made\"; exit 1")
        self.check_refused(self.ssh(LENET), 4, f"must be for the device's riscv64")
        self.check_nothing_left()

    def test_no_space_is_refused_before_anything_is_copied(self):
        self.device.fake("df", "echo head; echo '/dev/root  1000 990  10  99% /'")
        self.device.fake("mktemp", "touch \"$HOME/made\"; exit 1")
        self.check_refused(self.ssh(LENET), 4, "10.2 kB free in", "--folder PATH")
        self.check_nothing_left()

    def test_a_full_disk_while_copying_is_an_error(self):
        self.device.fake("cat", "head -c 1000; echo 'No space left on device' >&2; exit 1")
        self.check_refused(self.ssh(LENET), 4, "does not take", "No space left on device")
        self.check_nothing_left()

    def test_a_file_that_arrives_short_is_an_error(self):
        self.device.fake("cat", "head -c 1000")
        self.check_refused(self.ssh(LENET), 4, "does not hold all that was copied")
        self.check_nothing_left()

    def test_a_program_that_cannot_start_is_an_error(self):
        self.device.fake("chmod", "command -p chmod 600 \"$2\"")
        done = self.ssh(LENET)
        if not EMULATOR:  # which reads the file itself
            self.check_refused(done, 4, "cannot start the program: exit code 126")
        self.check_nothing_left()

    def test_a_missing_model_is_found_before_the_device_is_asked(self):
        self.check_refused(self.ssh("none.onnx", LENET), 3, "none.onnx", "does not exist")
        self.check_refused(self.tally("--ssh", "127.0.0.1:1", "none.onnx"), 3, "does not exist")

    def test_a_model_that_fails_there_says_why_and_the_next_one_runs(self):
        model = self.work / "bad.onnx"
        model.write_bytes(LENET.read_bytes().replace(b"Relu", b"Rulu"))
        done = self.ssh(model, LENET, *self.passed())
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("tally profile there: exit code 3 (Rulu", done.stderr)
        self.assertEqual(len(self.stored()), 1)
        self.check_nothing_left()

    def test_several_devices_and_one_that_is_not_there(self):
        done = self.tally("--ssh", self.device.address, "--ssh", "127.0.0.1:1", "--ssh", self.device.address,
                          *self.device.options(), LENET, "--format", "json", *self.passed())
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("cannot be reached (ssh: connect to host 127.0.0.1 port 1: Connection refused)", done.stderr)
        first, second, third = json.loads(done.stdout)["devices"]
        self.assertEqual([len(d["runs"]) for d in (first, second, third)], [1, 0, 1])
        self.assertEqual(len(second["errors"]), 1)
        self.assertNotEqual(first["runs"][0]["file"], third["runs"][0]["file"])
        self.assertEqual(len(self.stored()), 2)
        self.check_nothing_left()

    def test_an_unknown_host_is_refused(self):
        done = self.tally("--ssh", self.device.address, *self.device.options("nobody_known"), LENET)
        self.check_refused(done, 4, "cannot be reached (Host key verification failed.)")

    def hold_profiles(self):
        """A profile there hangs for two minutes from now on; the words that start it so."""
        self.device.fake("hold", 'case "$*" in *" profile "*) exec sleep 120 ;; esac\nexec "$@"')
        return ["hold"]

    def process_there(self):
        """The number of the process that the device's folder names, if it runs."""
        for file in self.device.root.glob("temporary/tally.*/pid"):
            number = file.read_text().strip()
            if number and pathlib.Path("/proc", number).exists():
                return number
        return None

    def start_long_run(self):
        """A run that hangs there, and the number of its process."""
        words = self.words("--ssh", self.device.address, *self.device.options(), LENET, through=self.hold_profiles())
        run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.work)
        self.addCleanup(run.kill)
        for _ in range(1200):
            number = self.process_there()
            if number:
                return run, number
            if run.poll() is not None:
                break
            time.sleep(0.1)
        self.fail("it never began: " + run.communicate()[1])

    def check_ended(self, number):
        for _ in range(100):
            if not pathlib.Path("/proc", number).exists():
                return
            time.sleep(0.1)
        self.fail("the program still runs on the device")

    def test_a_dropped_connection_is_an_error_and_leaves_nothing(self):
        run, number = self.start_long_run()
        self.device.drop_connections()
        out, err = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 4, err)
        self.assertIn("has lost its connection", err)
        self.assertIn("must last until the run has ended", err)
        self.assertEqual(self.stored(), [])
        self.check_ended(number)
        self.check_nothing_left()

    def test_an_interrupt_leaves_nothing(self):
        run, number = self.start_long_run()
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=120)
        self.assertIn(run.returncode, (-signal.SIGTERM, 128 + signal.SIGTERM), err)
        self.assertEqual(self.stored(), [])
        self.check_ended(number)
        self.check_nothing_left()

    def test_a_run_that_takes_too_long_is_ended(self):
        done = self.tally("--ssh", self.device.address, *self.device.options(), LENET, "--timeout", "2",
                          through=self.hold_profiles())
        self.check_refused(done, 4, "must end in that time")
        self.check_nothing_left()

    def test_folder_may_be_another(self):
        self.check_refused(self.ssh(LENET, "--folder", "/no/such/folder"), 4, "no temporary folder could be made below")
        self.check_refused(self.ssh(LENET, "--folder", "/tmp/$(id)"), 2, "must be an absolute path")


class Usage(Case):
    @classmethod
    def start(cls):
        pass

    def test_what_cannot_be_understood(self):
        for words, wanted in ((["x.onnx"], "must have --ssh HOST or --adb"), (["--ssh", "pi"], "MODEL"),
                              (["--ssh=-oProxyCommand=touch pwned", LENET], "must be [USER@]HOST"),
                              (["--ssh", "pi", LENET, "--", "--format", "csv"], "is the runner's own"),
                              (["--ssh", "pi", LENET, "--with", "none"], "must be a readable file"),
                              (["--ssh", "pi", LENET, "--timeout", "0"], "--timeout")):
            with self.subTest(words=words):
                self.check_refused(self.tally(*words), 2, wanted)


class RealAdb(Case):
    """The real client, on a server of our own; no device is attached."""

    port = "5539"

    @classmethod
    def start(cls):
        if shutil.which("adb") is None:
            raise unittest.SkipTest("no adb (Debian: adb)")
        cls.addClassCleanup(subprocess.run, ["adb", "kill-server"], env={**os.environ, "ANDROID_ADB_SERVER_PORT": cls.port},
                            capture_output=True)

    def test_no_device(self):
        listing = subprocess.run(["adb", "devices"], capture_output=True, text=True,
                                 env={**os.environ, "ANDROID_ADB_SERVER_PORT": self.port})
        if listing.returncode != 0 or listing.stdout.strip().splitlines()[-1] != "List of devices attached":
            self.skipTest("adb does not run here, or a device is attached: " + listing.stdout + listing.stderr)
        environment = {"ANDROID_ADB_SERVER_PORT": self.port}
        self.check_refused(self.tally("--adb", LENET, environment=environment), 4, "adb: no device is attached")
        self.check_refused(self.tally("--adb", "0A1B", LENET, environment=environment), 4, "device '0A1B': no device is attached")

    def test_no_adb(self):
        done = self.tally("--adb", LENET, environment={"PATH": str(self.work)}) if not EMULATOR else None
        if done:
            self.check_refused(done, 4, "program 'adb'", "must be installed")


class FakeAdb(Case):
    """A script named adb plays the device; no phone was asked."""

    @classmethod
    def start(cls):
        cls.device = device_host.FakeAdbDevice()

    def adb(self, *arguments):
        place = self.device.root / "temporary"
        return self.tally(*arguments, "--folder", place, environment={"PATH": self.device.path()}) if "--" not in arguments else \
            self.tally(*arguments[:arguments.index("--")], "--folder", place, *arguments[arguments.index("--"):],
                       environment={"PATH": self.device.path()})

    def test_profile_comes_back(self):
        for words in (["--adb", LENET], ["--adb", self.device.serial, LENET]):
            done = self.adb(*words, "--", "--repeats", "3", "--seconds", "0")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({file.parent.name for file in self.stored()}, {self.device.serial})
        document = json.loads(self.stored()[0].read_text())
        self.assertEqual(document["device"]["transport"], "adb")
        self.assertEqual(document["device"]["options"][:2], ["--seed", "1"])
        self.check_nothing_left()

    def test_android_tells_what_it_is(self):
        self.device.fake("getprop", 'case "$1" in ro.product.manufacturer) echo Maker;; ro.product.model) echo Phone 9;; '
                                    'ro.board.platform) echo chip;; security.perf_harden) echo 1;; esac')
        done = self.adb("--adb", LENET, "--", "--repeats", "3", "--seconds", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        if not pathlib.Path("/proc/device-tree/model").exists():
            self.assertIn("Maker Phone 9 (chip)", done.stdout)
        self.assertIn("security.perf_harden 1", done.stdout)

    def test_a_device_that_is_not_ready(self):
        self.addCleanup(self.device.list, f"{self.device.serial}\\tdevice")
        for listing, wanted in (("X\\tunauthorized", "must allow this computer"), ("X\\toffline", "is offline"),
                                ("X\\tdevice\\nY\\tdevice", "several devices: X (device), Y (device)")):
            self.device.list(listing)
            self.check_refused(self.adb("--adb", LENET), 4, wanted)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)  # with the reasons of what is skipped
