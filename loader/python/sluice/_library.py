"""The shared library: its functions (sluice_python.h), its errors, its options."""

import collections.abc
import ctypes
import os

MESSAGE, FACTS, STATE, REASON = 480, 32, 192, 160  # sizes in sluice_python.h


def _load():
    lib = ctypes.CDLL(os.path.join(os.path.dirname(__file__), "libsluice-python.so"))
    handle, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    texts, numbers = ctypes.POINTER(text), ctypes.POINTER(ctypes.c_double)
    for name, result, *arguments in (
        ("open", number, ctypes.POINTER(handle), text, texts, texts, number, text),
        ("close", None, handle),
        ("next", number, handle, ctypes.POINTER(ctypes.c_uint64), text),
        ("release", None, handle, ctypes.POINTER(ctypes.c_uint64), ctypes.py_object),
        ("fds", number, handle, ctypes.POINTER(number), text),
        ("stop", None, handle),
        ("seek", number, handle, ctypes.c_uint32, ctypes.c_uint64, text),
        ("state", number, handle, text, text),
        ("restore", number, handle, text, text),
        ("facts", number, handle, texts, numbers),
        ("stats", number, handle, texts, numbers),
        ("io", None, handle, text, text),
        ("damage", ctypes.c_int64, handle, number, text),
        ("dtype", text, handle),
        ("pipeline", text, handle),
        ("column", text, handle, number),
        ("class_name", text, handle, number),
        ("mean", numbers, handle),
        ("std", numbers, handle),
        ("option", text, number, texts),
        ("code", text, number),
        ("version", text),
    ):
        function = getattr(lib, "sluice_python_" + name)
        function.restype, function.argtypes = result, arguments
        setattr(lib, name, function)
    return lib


lib = _load()


class Error(Exception):
    """One line: which file, which sample, expected, found. `code` says what kind:
    "invalid", "memory", "io", "corrupt", "version", ..."""

    __module__ = "sluice"  # where users find it

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code

    def __reduce__(self):
        return Error, (str(self), self.code)


def code(rc):
    return lib.code(rc).decode()


def check(rc, message):
    if rc < 0:
        raise Error(message.value.decode(errors="replace"), code(rc))
    return rc


def options():
    """The options of Loader: their names, and a line about each with its default."""
    found, text = {}, ctypes.c_char_p()
    while (name := lib.option(len(found), text)) is not None:
        found[name.decode()] = text.value.decode()
    return found


_DTYPES = {"uint8": "u8", "float16": "f16", "bfloat16": "bf16", "float32": "f32",
           "u1": "u8", "|u1": "u8", "half": "f16", "f2": "f16", "<f2": "f16",
           "single": "f32", "f4": "f32", "<f4": "f32"}


def option_text(name, value):
    """An option's value as the library reads it, None as it is; a dtype may be numpy's
    or PyTorch's."""
    if value is None:
        return None
    if name == "dtype":
        known = getattr(value, "__name__", str(value)).rpartition(".")[2]
        value = _DTYPES.get(known, known if isinstance(value, type) else value)
    if hasattr(value, "tolist"):  # numpy's, PyTorch's
        value = value.tolist()
    if isinstance(value, (str, bytes, os.PathLike)):
        return os.fsencode(value)
    if isinstance(value, (collections.abc.Mapping, collections.abc.Set)):
        raise TypeError(f"{name}: expected a list or an array, found a "
                        f"{type(value).__name__}")
    if hasattr(value, "__iter__"):
        return ",".join(map(str, value)).encode()
    return str(value).encode()
