"""Compare packed photographs with what Pillow decodes, and kept JPEGs with their files.

    python3 compare_pictures.py FOLDER KEPT.sluice RAW.sluice

The files were written from FOLDER by `sluice write folder`, in its order, RAW with
--mode=raw. Needs Pillow (python3-pil).
"""
import io, os, sys

from PIL import Image

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "format"))
import reader

reader.crc32c = lambda data: None  # `sluice verify` has checked them; Python takes minutes


class Unchecked(reader.File):
    sealed = staticmethod(lambda block: True)


def files(folder):
    """As the folder source lists them: classes, then paths, by their bytes."""
    for root, folders, names in os.walk(os.fsencode(folder)):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith((b".jpg", b".jpeg", b".png")):
                yield os.path.join(root, name)


def decoded(path):
    try:
        picture = Image.open(io.BytesIO(open(path, "rb").read()))
        picture.load()
        return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    except OSError:
        return None


def main(folder, kept_path, raw_path):
    reader.demand = lambda good, what: None if good or "checksum" in what else sys.exit(what)
    kept, raw = Unchecked(kept_path), Unchecked(raw_path)
    pictures = [(p, d) for p, d in ((p, decoded(p)) for p in sorted(files(folder))) if d]
    if not len(pictures) == kept.count == raw.count:
        sys.exit(f"{folder}: Pillow decodes {len(pictures)}, packed {kept.count} and {raw.count}")
    same = 0
    for i, (path, picture) in enumerate(pictures):
        stored, pixels = kept.sample(i)["image"], raw.sample(i)["image"]
        if picture.mode == "L" and pixels.channels == 3:
            picture = picture.convert("RGB")
        if (pixels.height, pixels.width) != picture.size[::-1] or pixels.bytes != picture.tobytes():
            sys.exit(f"{path.decode()}: sample {i} differs from Pillow's pixels")
        if stored.codec == 1:
            again = Image.open(io.BytesIO(stored.bytes))
            if again.convert(picture.mode).tobytes() != picture.tobytes():
                sys.exit(f"{path.decode()}: sample {i}: the kept JPEG has other pixels")
            same += stored.bytes == open(path, "rb").read()
    print(f"{folder}: {len(pictures)} pictures equal Pillow's, {same} JPEGs are the files' own bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
