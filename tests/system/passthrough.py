# SPDX-License-Identifier: MIT
"""Does what programs do to files in the directory given, and says what came of it: one line for each, NAME<tab>RESULT."""
import ctypes
import errno
import fcntl
import mmap
import os
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

os.chdir(sys.argv[1])
os.umask(0o022)
ROOT = os.geteuid() == 0
libc = ctypes.CDLL(None, use_errno=True)


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except OSError as e:
        return errno.errorcode.get(e.errno, e.errno)


def call(name, *args):
    result = getattr(libc, name)(*[a.encode() if isinstance(a, str) else ctypes.c_long(a) for a in args])
    return errno.errorcode[ctypes.get_errno()] if result < 0 else "ok"


def write(name, data=b""):
    with open(name, "wb") as f:
        f.write(data)


def read(name):
    with open(name, "rb") as f:
        return f.read()


def in_child(function, uid=None, groups=()):
    """The result of function in another process, perhaps as another user."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if uid is not None:
                os.setgroups(groups)
                os.setgid(uid)
                os.setuid(uid)
            result = attempt(function)
        except BaseException as e:  # pylint: disable=broad-except
            result = repr(e)
        os.write(w, str(result).encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        result = f.read()
    os.waitpid(pid, 0)
    return result


# Open files
fd = os.open("append", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
os.write(fd, b"abc")
os.write(fd, b"def")
page = mmap.mmap(fd, 6)
page[0:1] = b"Z"
page.flush()
page.close()
os.close(fd)
say("append, with a mapping", read("append"))

fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b"unnamed")
say("O_TMPFILE links", os.fstat(fd).st_nlink)
say("O_TMPFILE gets a name", call("linkat", -100, f"/proc/self/fd/{fd}", -100, "named", 0x400))
os.close(fd)
say("O_TMPFILE content", read("named"))
fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o640)
say("O_TMPFILE with O_EXCL", call("linkat", -100, f"/proc/self/fd/{fd}", -100, "named2", 0x400))
os.close(fd)

fd = os.open("direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o644)
out, back = mmap.mmap(-1, 65536), mmap.mmap(-1, 65536)
out.write(b"D" * 65536)
say("O_DIRECT write", os.writev(fd, [out]))
say("O_DIRECT read", os.preadv(fd, [back], 0))
say("O_DIRECT same", out[:] == back[:])
os.close(fd)

fd = os.open("sparse", os.O_RDWR | os.O_CREAT, 0o644)
os.pwrite(fd, b"A" * 4096, 1 << 20)
say("SEEK_DATA", os.lseek(fd, 0, os.SEEK_DATA))
say("SEEK_HOLE", os.lseek(fd, 1 << 20, os.SEEK_HOLE))
say("SEEK_DATA at the end", attempt(os.lseek, fd, (1 << 20) + 4096, os.SEEK_DATA))
say("fallocate", call("fallocate", fd, 0, 0, 8192))
say("fallocate KEEP_SIZE", call("fallocate", fd, 1, 4 << 20, 4096))
say("fallocate size", os.fstat(fd).st_size)
say("fallocate PUNCH_HOLE", call("fallocate", fd, 3, 1 << 20, 4096))
say("fallocate punched", os.pread(fd, 4, 1 << 20))
say("fallocate ZERO_RANGE", call("fallocate", fd, 0x10, 0, 4096))
say("fallocate bad mode", call("fallocate", fd, 2, 0, 4096))
os.close(fd)

write("from", os.urandom(300000))
source, target = os.open("from", os.O_RDONLY), os.open("to", os.O_WRONLY | os.O_CREAT, 0o644)
copied = 0
while copied < 300000:
    n = os.copy_file_range(source, target, 300000 - copied, copied, copied)
    if n == 0:
        break
    copied += n
say("copy_file_range", (copied, read("from") == read("to")))

fd = os.open("gone", os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"1234")
os.unlink("gone")
os.ftruncate(fd, 2)
os.fchmod(fd, 0o600)
os.utime(fd, ns=(1, 2))
st = os.fstat(fd)
say("unlinked but open", (st.st_nlink, st.st_size, oct(st.st_mode), st.st_mtime_ns))
again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
say("unlinked, opened again", os.read(again, 9))
os.mkdir("gone-dir")
fd = os.open("gone-dir", os.O_RDONLY)
os.rmdir("gone-dir")
say("removed directory", (os.fstat(fd).st_nlink, attempt(os.listdir, fd)))

# Names
write("r1", b"1")
write("r2", b"2")
os.mkdir("rd")
say("RENAME_NOREPLACE", call("renameat2", -100, "r1", -100, "r2", 1))
say("RENAME_EXCHANGE", call("renameat2", -100, "r1", -100, "r2", 2))
say("exchanged", (read("r1"), read("r2")))
say("exchanged with a directory", call("renameat2", -100, "r1", -100, "rd", 2))
say("RENAME bad flag", call("renameat2", -100, "r2", -100, "r3", 8))
say("rename into itself", attempt(os.rename, "r1", "r1/x"))
raw = b"\xff\xfe bad\x80\\:*?"
write(raw, b"raw")
say("name that is no UTF-8", (raw in os.listdir(b"."), read(raw)))
say("255 bytes", attempt(write, "n" * 255))
say("256 bytes", attempt(write, "n" * 256))
os.link("sparse", "sparse2")
say("hard link", (os.stat("sparse").st_ino == os.stat("sparse2").st_ino, os.stat("sparse").st_nlink))
os.symlink("nowhere", "dangling")
say("O_NOFOLLOW", attempt(os.open, "dangling", os.O_RDONLY | os.O_NOFOLLOW))
os.close(os.open("dangling", os.O_CREAT | os.O_WRONLY, 0o600))
say("create through a symlink", os.path.exists("nowhere"))
os.mkdir("many")
for i in range(2000):
    write(f"many/{i}")
say("a large directory", len(os.listdir("many")))
for entry in list(os.scandir("many")):
    os.unlink(entry.path)
say("emptied while it is read", os.listdir("many"))
say("d_ino is st_ino", all(e.inode() == e.stat(follow_symlinks=False).st_ino for e in os.scandir(".")))
say("rmdir of a full one", attempt(os.rmdir, "."))

# Special files
os.mkfifo("fifo")
writer = threading.Thread(target=lambda: write("fifo", b"through"))
writer.start()
say("fifo", read("fifo"))
writer.join()
server, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
server.bind("socket")
server.listen()
say("socket", attempt(client.connect, "socket"))
server.close()
client.close()
say("ioctl that is none", attempt(fcntl.ioctl, os.open("r2", os.O_RDONLY), 0x5401, b"\0" * 64))

# Attributes
os.utime("r2", ns=(1234567890123456789, 987654321987654321))
say("times", (os.stat("r2").st_atime_ns, os.stat("r2").st_mtime_ns))
os.utime("dangling", ns=(5, 7), follow_symlinks=False)
say("times of a symlink", os.lstat("dangling").st_mtime_ns)
say("setxattr", attempt(os.setxattr, "r2", "user.a", b"v" * 100))
say("XATTR_CREATE", attempt(os.setxattr, "r2", "user.a", b"w", os.XATTR_CREATE))
say("XATTR_REPLACE", attempt(os.setxattr, "r2", "user.b", b"w", os.XATTR_REPLACE))
say("getxattr", attempt(os.getxattr, "r2", "user.a"))
say("listxattr", attempt(os.listxattr, "r2"))
say("removexattr", (attempt(os.removexattr, "r2", "user.a"), attempt(os.removexattr, "r2", "user.a")))
say("xattr of a symlink", attempt(os.setxattr, "dangling", "user.q", b"1", follow_symlinks=False))
vfs = os.statvfs(".")
say("statvfs", (vfs.f_bsize, vfs.f_namemax))
say("fsync", [attempt(os.fsync, os.open(n, os.O_RDONLY)) for n in ("sparse", ".")])

# Locks
lock = os.open("lock", os.O_RDWR | os.O_CREAT, 0o644)


def try_lock(length, start, kind=fcntl.LOCK_EX):
    return in_child(lambda: fcntl.lockf(os.open("lock", os.O_RDWR), kind | fcntl.LOCK_NB, length, start))


fcntl.lockf(lock, fcntl.LOCK_EX, 10, 0)
say("lock in the way", try_lock(5, 5))
say("lock beside it", try_lock(5, 10))
fcntl.lockf(lock, fcntl.LOCK_UN, 4, 3)
say("lock in the gap", try_lock(4, 3))
say("lock after the gap", try_lock(1, 8))


def who():
    query = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    kind, _, start, length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(os.open("lock", os.O_RDWR), fcntl.F_GETLK, query))
    return kind, start, length, pid == os.getppid()


say("F_GETLK", in_child(who))
os.close(os.open("lock", os.O_RDWR))
say("any close drops them", try_lock(10, 0))
fcntl.flock(lock, fcntl.LOCK_EX)
say("flock", in_child(lambda: fcntl.flock(os.open("lock", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)))


def interrupted(function):
    def run():
        def handler(*_):
            raise InterruptedError(errno.EINTR, "signal")
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        function(os.open("lock", os.O_RDWR), fcntl.LOCK_EX)
    return in_child(run)


say("flock interrupted", interrupted(fcntl.flock))
fcntl.flock(lock, fcntl.LOCK_UN)
fcntl.lockf(lock, fcntl.LOCK_EX)
say("fcntl lock interrupted", interrupted(fcntl.lockf))
child = os.fork()
if child == 0:
    fcntl.lockf(os.open("lock", os.O_RDWR), fcntl.LOCK_EX)
    os._exit(7)
fcntl.lockf(lock, fcntl.LOCK_UN)
say("a lock is granted to who waits", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
fcntl.lockf(lock, fcntl.LOCK_EX)
child = os.fork()
if child == 0:
    fcntl.lockf(os.open("lock", os.O_RDWR), fcntl.LOCK_EX)
    os._exit(7)
os.kill(child, signal.SIGKILL)
say("who waits can be killed", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.close(lock)

# Other people
if ROOT:
    USER, GROUP = 65534, 5
    os.chmod(".", 0o777)

    def create():
        os.umask(0o027)
        write("users-file")
        os.mkdir("users-dir")
        st = os.stat("users-file")
        return st.st_uid, st.st_gid, oct(st.st_mode), oct(os.stat("users-dir").st_mode)

    say("owner and umask", in_child(create, USER))
    os.mkdir("group")
    os.chown("group", 0, GROUP)
    os.chmod("group", 0o770)
    say("outside the group", in_child(lambda: write("group/a"), USER))
    say("inside the group", in_child(lambda: write("group/b"), USER, (4, GROUP)))
    os.chmod("group", 0o705)
    say("a group that is shut out", in_child(lambda: os.listdir("group"), USER, (GROUP,)))
    os.mkdir("setgid")
    os.chown("setgid", 0, GROUP)
    os.chmod("setgid", 0o2777)

    def inherit():
        os.umask(0)
        write("setgid/f")
        os.mkdir("setgid/d")
        os.close(os.open("setgid/x", os.O_CREAT | os.O_WRONLY, 0o2755))
        return os.stat("setgid/f").st_gid, oct(os.stat("setgid/d").st_mode), oct(os.stat("setgid/x").st_mode)

    say("set-group-id directory", in_child(inherit, USER))
    for name in ("f", "x"):
        os.unlink(f"setgid/{name}")
    os.rmdir("setgid/d")
    say("as a member", in_child(inherit, USER, (GROUP,)))
    write("suid", b"x")
    for name, what in (("write", lambda: os.write(os.open("suid", os.O_WRONLY), b"1")),
                       ("truncate", lambda: os.truncate("suid", 0)),
                       ("O_TRUNC", lambda: os.close(os.open("suid", os.O_WRONLY | os.O_TRUNC)))):
        os.chmod("suid", 0o6777)
        what_user = in_child(what, USER)
        say(f"set-user-id after {name}", (what_user, oct(os.stat("suid").st_mode)))
    os.chmod("suid", 0o6777)
    os.write(os.open("suid", os.O_WRONLY), b"1")
    say("set-user-id after root's write", oct(os.stat("suid").st_mode))
    os.chown("suid", 0, 0)
    say("set-user-id after chown", oct(os.stat("suid").st_mode))
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    write("sticky/roots")
    say("sticky", in_child(lambda: os.unlink("sticky/roots"), USER))
    os.chmod("r2", 0o600)
    say("no permission", [in_child(f, USER) for f in (lambda: read("r2"), lambda: os.chmod("r2", 0o777),
                                                      lambda: os.utime("r2"), lambda: os.link("r2", "r4"))])
    shutil.copy("/bin/true", "execute-only")
    os.chmod("execute-only", 0o711)
    say("execute only", in_child(lambda: subprocess.run(["./execute-only"], check=False).returncode, USER))
    say("execute only is not read", in_child(lambda: read("execute-only"), USER))
    say("trusted", attempt(os.setxattr, "suid", "trusted.z", b"1"))
    say("trusted is for root", (in_child(lambda: os.listxattr("suid"), USER), "trusted.z" in os.listxattr("suid")))
    for name, kind in (("char", stat.S_IFCHR), ("block", stat.S_IFBLK)):
        os.mknod(name, kind | 0o644, os.makedev(1, 3))
        say(name, (oct(os.lstat(name).st_mode), os.lstat(name).st_rdev))
    if shutil.which("setfacl"):
        subprocess.run(["setfacl", "-m", "u:nobody:rwx,g:daemon:r", "r2"], check=False)
        os.mkdir("acl")
        subprocess.run(["setfacl", "-d", "-m", "u:daemon:rwx,g::rx,o::-", "acl"], check=False)
        os.umask(0o077)
        write("acl/f")
        os.mkdir("acl/d")
        os.umask(0o022)
        shown = subprocess.run(["getfacl", "-c", "r2", "acl/f", "acl/d"], capture_output=True, text=True, check=False)
        say("ACLs", repr(shown.stdout))
        say("an ACL opens", in_child(lambda: read("r2"), USER))

# Everything at once, against a model in memory
random.seed(7)
model = bytearray()
fd = os.open("model", os.O_RDWR | os.O_CREAT, 0o644)
same = True
for i in range(3000):
    what, at, size = random.randrange(6), random.randrange(200000), random.randrange(1, 30000)
    end = min(at + size, len(model))
    if what == 0:
        data = random.randbytes(size)
        os.pwrite(fd, data, at)
        model.extend(b"\0" * (at + size - len(model)))
        model[at:at + size] = data
    elif what == 1:
        same = same and os.pread(fd, size, at) == bytes(model[at:at + size])
    elif what == 2 and random.randrange(4) == 0:
        os.ftruncate(fd, at)
        del model[at:]
        model.extend(b"\0" * (at - len(model)))
    elif what == 3 and at < end:
        with mmap.mmap(fd, len(model)) as mapped:
            data = random.randbytes(end - at)
            mapped[at:end] = data
            model[at:end] = data
    elif what == 4 and model:
        with mmap.mmap(fd, len(model), prot=mmap.PROT_READ) as mapped:
            same = same and mapped[:] == bytes(model)
    elif what == 5 and call("fallocate", fd, 3, at, size) == "ok" and at < end:
        model[at:end] = b"\0" * (end - at)
    if i % 400 == 0:
        os.close(fd)
        fd = os.open("model", os.O_RDWR)
os.close(fd)
say("a file and its model", same and read("model") == bytes(model))
say("end", "")
