"""bench_backends.py -- the backend that the loader takes by itself beside each that can be
asked for, in every place where that matters: see bench-loader, which runs it.

{disk, tmpfs, overlay} x {cold, hot} x {io_uring allowed, refused} x {the file fits the
budget of memory, is larger}, in pairs of runs (`sluice bench --against`). A ratio that misses
the goal is measured once more with three times as many pairs, which then counts. What the
page cache of a tmpfs holds is the file itself: there is no cold. io_uring is refused by a
seccomp filter, as containers do it; the overlay needs root.
"""
import ctypes, json, os, shlex, shutil, struct, subprocess, tempfile, time

GOAL = 0.95


def refuse_io_uring():
    """In a child, before exec: io_uring_setup, 425 on every machine, is not permitted."""
    libc = ctypes.CDLL(None)
    load_number, jump_if, leave = 0x20, 0x15, 0x06
    code = ctypes.create_string_buffer(struct.pack(
        "HBBI" * 4, load_number, 0, 0, 0, jump_if, 0, 1, 425, leave, 0, 0, 0x50001, leave, 0, 0, 0x7fff0000))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(code)))
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, filter_mode, program, 0, 0):
        os._exit(125)


def pairs(sluice, path, options, refused):
    """The JSON of one comparison; None where the backend is not available."""
    command = [sluice, "bench", path, "--json", "--quiet", *shlex.split(options)]
    run = subprocess.run(command, capture_output=True, text=True, preexec_fn=refuse_io_uring if refused else None)
    if run.returncode and "is not available" not in run.stderr:
        raise SystemExit(f"bench-loader: {' '.join(command)}: {run.stderr.strip() or run.returncode}")
    return None if run.returncode else json.loads(run.stdout)


def cell(sluice, path, options, cold, refused, larger, rounds):
    """(what was taken, best by hand, samples/s of both, ratio), the ratio to the best."""
    hands = ["uring", "direct", "pread"] if larger else ["resident", "uring", "direct", "pread"]
    options += " " + ("--cold --epochs=1" if cold else "--epochs=3")
    options += " --memory-budget=1" if larger else ""
    best = None
    for hand in hands:
        got = pairs(sluice, path, f"{options} --pairs={rounds} --against=--io={hand}", refused)
        if got and got["ratio"] < GOAL:
            got = pairs(sluice, path, f"{options} --pairs={3 * rounds} --against=--io={hand}", refused)
        if got and (not best or got["ratio"] < best[4]):
            best = (got["last"]["io"], hand, got["median_samples_per_s"], got["other_median_samples_per_s"], got["ratio"])
    return best


class Places:
    """Folders on each kind of file system, for as long as they are needed."""

    def __init__(self, work):
        self.folders, self.missing, self.overlay = {"disk": os.path.join(work, "disk")}, {}, None
        os.mkdir(self.folders["disk"])
        if os.path.ismount("/dev/shm") and os.access("/dev/shm", os.W_OK):
            self.folders["tmpfs"] = tempfile.mkdtemp(prefix="sluice-bench-", dir="/dev/shm")
        else:
            self.missing["tmpfs"] = "no /dev/shm"
        self.lower = os.path.join(work, "lower")
        parts = [os.path.join(work, name) for name in ("upper", "inner", "overlay")]
        for folder in [self.lower, *parts]:
            os.mkdir(folder)
        mount = subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                                f"lowerdir={self.lower},upperdir={parts[0]},workdir={parts[1]}", parts[2]],
                               capture_output=True, text=True)
        if mount.returncode:
            self.missing["overlay"] = mount.stderr.strip().splitlines()[0]
        else:
            self.overlay = self.folders["overlay"] = parts[2]

    def put(self, place, source):
        """A copy in that place; of an overlay, in its lower folder, as a container's image."""
        name = os.path.basename(source)
        shutil.copyfile(source, os.path.join(self.lower if place == "overlay" else self.folders[place], name))
        return os.path.join(self.folders[place], name)

    def close(self):
        for _ in range(50 if self.overlay else 0):  # io_uring lets go of its files some time after exit
            if subprocess.run(["umount", self.overlay], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        if "tmpfs" in self.folders:
            shutil.rmtree(self.folders["tmpfs"])


def measure(sluice, work, data, rounds, tell):
    """data: (name, file, options of bench). Calls tell(text, ratio) for each cell; returns
    the cells that could not be, as text."""
    places = Places(work)
    try:
        for name, source, options in data:
            for place in places.folders:
                path = places.put(place, source)
                os.sync()
                for cold in (False,) if place == "tmpfs" else (True, False):
                    for refused in (False, True):
                        for larger in (False, True):
                            got = cell(sluice, path, options, cold, refused, larger, rounds)
                            text = (f"{name}, {place}, {'cold' if cold else 'hot'}, io_uring "
                                    f"{'refused' if refused else 'allowed'}, {'larger than' if larger else 'fits'} the budget")
                            took, hand, mine, best, ratio = got
                            tell(text, f"{took} {mine:,.0f}/s, by hand {hand} {best:,.0f}/s", ratio)
                os.unlink(path)
    finally:
        places.close()
    return [f"{place}: skipped: {why}" for place, why in places.missing.items()]
