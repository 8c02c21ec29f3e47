"""The package as its users get it: installed, moved, found from a program outside the tree, and run.

    package_test.py SOURCE BUILD SCRATCH COMPILER MECHANISMS TEST

BUILD is the build that the other tests use; its static library is what `install_static` installs. `install_shared` builds the
shared one, and nothing else, below SCRATCH. Both install, then move the whole prefix: all other tests see only where it is
moved to. MECHANISMS: the built-in ones, separated by commas. Ends with 77 if what the test needs is not here.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import symbols

SOURCE = BUILD = SCRATCH = Path()
VERSION = ABI = ""  # as the headers say; what of it stands in the name for the loader
COMPILER = ""
MECHANISMS = []
PATIENCE = 600  # seconds until a command that should have ended is a failure
HERE = Path(__file__).resolve().parent
NO_EXCEPTIONS = ["-fno-exceptions", "-fno-rtti"]


def run(*command, cwd=None, env=None):
    """The finished process; its failure is the test's."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True,
                          text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
    return done


def ccache():
    """CMake's arguments; what one checkout and one folder have compiled serves the next one (CMakeLists.txt does the same)."""
    os.environ.update(CCACHE_BASEDIR=str(SOURCE), CCACHE_NOHASHDIR="1")
    found = shutil.which("ccache")
    return [f"-DCMAKE_CXX_COMPILER_LAUNCHER={found}"] if found else []


def library_options():
    """How the shared library is built in here, by itself and as a part of another project."""
    return ["-G", "Ninja", f"-DCMAKE_CXX_COMPILER={COMPILER}", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON",
            "-DSLUICE_WARNINGS_AS_ERRORS=ON", *ccache()]


class Package(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-package-"))
        self.addCleanup(shutil.rmtree, self.folder)
        runtime = self.folder / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["SLUICE_RUNTIME_DIR"] = str(runtime)
        os.environ.pop("DESTDIR", None)
        self.prefixes = {kind: SCRATCH / kind for kind in ("static", "shared")}

    # The two installations, on which the other tests stand.

    def install(self, build, kind):
        before = SCRATCH / f"{kind}-before"
        for folder in (before, self.prefixes[kind]):
            shutil.rmtree(folder, ignore_errors=True)
        run("cmake", "--install", build, "--prefix", before)
        before.rename(self.prefixes[kind])

    def test_install_static(self):
        self.install(BUILD, "static")

    def test_install_shared(self):
        build = SCRATCH / "shared-build"
        run("cmake", "-S", SOURCE, "-B", build, *library_options(), "-DSLUICE_TOOL=OFF")
        run("cmake", "--build", build)
        self.install(build, "shared")

    # What is in them.

    def installed(self, kind):
        prefix = self.prefixes[kind]
        return {str(file.relative_to(prefix)) for file in prefix.rglob("*") if not file.is_dir()}

    def installed_once(self, kind):
        """The same, with the one file that is named after the kind of build under a name of its own."""
        return [re.sub("Targets-[a-z]+", "Targets-KIND", name) for name in self.installed(kind)]

    def expected(self, *more):
        headers = {f"include/sluice/{header.name}" for header in (SOURCE / "include/sluice").glob("*.hpp")}
        configs = {f"lib/cmake/sluice/sluice{name}.cmake" for name in ("Config", "ConfigVersion", "Targets", "Targets-KIND")}
        return headers | configs | {"lib/pkgconfig/sluice.pc", "share/doc/sluice/LICENSE", *more}

    def cache(self, name):
        lines = (BUILD / "CMakeCache.txt").read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith(name + ":"))

    def test_holds_what_users_need_and_nothing_else(self):
        static = ["lib/libsluice.a"] + (["bin/sluice"] if self.cache("SLUICE_TOOL") == "ON" else [])
        self.assertCountEqual(self.installed_once("static"), self.expected(*static))
        shared = [f"lib/libsluice.so{version}" for version in ("", f".{ABI}", f".{VERSION}")]
        self.assertCountEqual(self.installed_once("shared"), self.expected(*shared))

    def test_names_no_folder_of_the_machine_it_was_built_on(self):
        for kind, prefix in self.prefixes.items():
            for name in self.installed(kind):
                text = (prefix / name).read_bytes()
                if name.startswith(("bin/", "lib/libsluice")):
                    continue  # debug information names the sources
                for folder in (SOURCE, BUILD, SCRATCH):
                    self.assertNotIn(str(folder).encode(), text, f"{kind}: {name}")

    def test_has_a_name_for_the_loader_that_changes_with_the_interface(self):
        dynamic = run("readelf", "--dynamic", self.prefixes["shared"] / "lib/libsluice.so").stdout
        self.assertRegex(dynamic, rf"SONAME.*\[libsluice\.so\.{re.escape(ABI)}\]")
        self.assertNotRegex(dynamic, r"R(UN)?PATH")

    def test_installed_tool_runs(self):
        tool = self.prefixes["static"] / "bin/sluice"
        if not tool.exists():
            self.skipTest("this build has no tool")
        self.assertIn("inproc", run(tool, "mechanisms").stdout)

    # Its symbols.

    def symbols(self):
        objects = list((SCRATCH / "shared-build/CMakeFiles/sluice.dir").rglob("*.o"))
        self.assertGreater(len(objects), 10)
        return (symbols.exported_by(self.prefixes["shared"] / "lib/libsluice.so"), symbols.listed_in(HERE / "exported-symbols"),
                symbols.public_in(objects))

    def test_exports_the_listed_symbols(self):
        self.assertEqual(symbols.complaints(*self.symbols()), [])

    def test_comparison_of_symbols_can_fail(self):
        exported, listed, public = self.symbols()
        send = next(name for name in listed if "Channel::send(std::span" in name)
        without = [name for name in listed if name != send]
        self.assertEqual(symbols.complaints(exported, without, public), [f"exported, but not in the list: {send}"])
        more = sorted([*listed, "sluice::v0::more()"])
        self.assertEqual(symbols.complaints(exported, more, public), ["in the list, but not exported: sluice::v0::more()"])
        twice = sorted([*listed, send])
        self.assertEqual(symbols.complaints(exported, twice, public), [f"listed twice, or not sorted: {send}"])
        self.assertEqual(symbols.complaints(exported - {send}, without, public),
                         [f"public, but not exported (SLUICE_API?): {send}"])
        for name, wrong in (("sluice::v0::core::Session::send()", "internal (SLUICE_LOCAL?)"),
                            ("std::vector<int>::push_back(int)", "not of sluice::v0")):
            found = symbols.complaints(exported | {name}, sorted([*listed, name]), public)
            self.assertEqual(found, [f"exported, but {wrong}: {name}"])

    # Programs outside the tree.

    def consumer(self, outside=None):
        outside = outside or self.folder / "consumer"
        shutil.copytree(HERE / "consumer", outside, dirs_exist_ok=True)
        for name in ("hello", "frames"):
            shutil.copy(SOURCE / f"examples/{name}.cpp", outside)
        return outside

    def run_hello(self, program, env=None):
        said = run(SOURCE / "examples/run_hello", program, *MECHANISMS, env=env).stdout
        self.assertIn(": ok", said)

    def run_frames(self, program, env=None):
        said = run(SOURCE / "examples/run_frames", program, *MECHANISMS, env=env).stdout
        for mechanism in {"local", "unix"} & set(MECHANISMS):
            self.assertRegex(said, rf"(?m)^{mechanism}:.*: ok$")

    def find_package(self, kind):
        outside, build = self.consumer(), self.folder / "build"
        run("cmake", "-S", outside, "-B", build, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={COMPILER}",
            f"-DCMAKE_PREFIX_PATH={self.prefixes[kind]}", f"-DWANTED={ABI}")
        run("cmake", "--build", build)
        self.run_hello(build / "hello")
        self.run_frames(build / "frames")

    def test_find_package_finds_the_static_library(self):
        self.find_package("static")

    def test_find_package_finds_the_shared_library(self):
        self.find_package("shared")

    def test_works_inside_another_project(self):
        # Both stay, so that the next run compiles what has changed.
        outside, build = self.consumer(SCRATCH / "inside-source"), SCRATCH / "inside-build"
        run("cmake", "-S", outside, "-B", build, *library_options(), f"-DSLUICE_SOURCE={SOURCE}")
        run("cmake", "--build", build)
        self.run_hello(build / "hello")
        run("cmake", "--install", build, "--prefix", self.folder / "prefix")
        self.assertFalse((self.folder / "prefix").exists(), "it installs itself with the other project")

    def flags(self, kind):
        if not shutil.which("pkg-config"):
            self.skipTest("pkg-config is not here")
        env = {"PKG_CONFIG_LIBDIR": str(self.prefixes[kind] / "lib/pkgconfig")}
        self.assertEqual(run("pkg-config", "--modversion", "sluice", env=env).stdout.strip(), VERSION)
        return run("pkg-config", "--cflags", "--libs", "sluice", env=env).stdout.split()

    def compile(self, kind, output, *arguments, compiler=""):
        """Compiles and links with what pkg-config says, as C++20."""
        run(compiler or COMPILER, "-std=c++20", "-Wall", "-Wextra", *arguments, "-o", output, *self.flags(kind))
        return output

    def at_run_time(self):
        return {"LD_LIBRARY_PATH": str(self.prefixes["shared"] / "lib")}

    def test_pkg_config_finds_the_static_library(self):
        program = self.compile("static", self.folder / "hello", self.consumer() / "hello.cpp")
        self.assertNotIn("libsluice", run("readelf", "--dynamic", program).stdout)
        self.run_hello(program)

    def test_pkg_config_finds_the_shared_library(self):
        program = self.compile("shared", self.folder / "hello", self.consumer() / "hello.cpp")
        self.assertRegex(run("readelf", "--dynamic", program).stdout, rf"NEEDED.*\[libsluice\.so\.{re.escape(ABI)}\]")
        self.run_hello(program, self.at_run_time())

    def test_serves_a_program_of_the_oldest_compiler(self):
        oldest = shutil.which("clang++-14")
        if not oldest:
            self.skipTest("clang 14 is not here")
        hidden = ["-fvisibility=hidden", "-fvisibility-inlines-hidden"]
        program = self.compile("shared", self.folder / "hello", *hidden, self.consumer() / "hello.cpp", compiler=oldest)
        self.run_hello(program, self.at_run_time())

    def test_value_throws_or_aborts_as_its_caller_is_compiled(self):
        flags = [flag for flag in self.flags("shared") if flag.startswith(("-I", "-D"))]
        parts = []
        for name, options in (("value_with", []), ("value_without", NO_EXCEPTIONS)):
            part = self.folder / f"{name}.o"
            run(COMPILER, "-std=c++20", *options, *flags, "-c", HERE / f"{name}.cpp", "-o", part)
            parts.append(part)
        # Of functions with one name the linker keeps the first one: each part comes first once.
        for order in (parts, parts[::-1]):
            program = self.compile("shared", self.folder / "value", *order)
            for what in ("throw", "throw-nothing"):
                self.assertIn("caught: receiving: ", run(program, what, env=self.at_run_time()).stdout)
            for what in ("abort", "abort-nothing"):
                ended = subprocess.run([program, what], env={**os.environ, **self.at_run_time()}, capture_output=True, text=True,
                                       timeout=PATIENCE)
                self.assertEqual(ended.returncode, -signal.SIGABRT)
                self.assertIn("sluice: value() of a Result that holds an error: receiving: ", ended.stderr)

    def test_copies_in_one_process_agree(self):
        plug_ins = [self.folder / "one.so", self.folder / "other.so"]
        self.compile("static", plug_ins[0], "-shared", "-fPIC", HERE / "plugin.cpp")
        shutil.copy(*plug_ins)  # another file is another plug-in for the loader
        # -rdynamic: what the host itself defines stands before the same names of its plug-ins.
        host = self.compile("shared", self.folder / "host", "-rdynamic", HERE / "host.cpp")
        for mechanism, where in (("unix", f"{self.folder}/socket"), ("shm", f"package-{os.getpid()}")):
            if mechanism in MECHANISMS:
                run(host, f"{mechanism}:{where}", *plug_ins, env=self.at_run_time())


def main():
    global SOURCE, BUILD, SCRATCH, VERSION, ABI, COMPILER, MECHANISMS
    SOURCE, BUILD, SCRATCH = (Path(argument).resolve() for argument in sys.argv[1:4])
    VERSION = re.search(r'SLUICE_VERSION "(.*)"', (SOURCE / "include/sluice/version.hpp").read_text())[1]
    ABI = re.match(r"0\.\d+|\d+", VERSION)[0]
    COMPILER, MECHANISMS = sys.argv[4], sys.argv[5].split(",")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    test = unittest.defaultTestLoader.loadTestsFromName("Package." + sys.argv[6], sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=2).run(test)
    sys.exit(77 if result.skipped else 0 if result.wasSuccessful() and result.testsRun == 1 else 1)


if __name__ == "__main__":
    main()
