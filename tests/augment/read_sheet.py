#!/usr/bin/env python3
"""read_sheet.py SHEET.png RULE -- whether the cells of a sheet made by sheet.sh (images of
16 x 16, originals in the first of 4 columns, 4 rows) are what RULE says. PNG is read
here, with zlib alone."""
import struct
import sys
import zlib

SIDE, ROWS, COLUMNS, GAP, FIRST_GAP = 16, 4, 4, 4, 16


def read_png(path):
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", body)
            assert (depth, colour, rest) == (8, 2, [0, 0, 0])
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    raw, stride, rows = zlib.decompress(packed), 3 * width, []
    before = bytes(stride)
    for y in range(height):
        filtered, row = raw[y * (stride + 1):(y + 1) * (stride + 1)], bytearray()
        for i, v in enumerate(filtered[1:]):
            a, b = row[i - 3] if i >= 3 else 0, before[i]
            c = before[i - 3] if i >= 3 else 0
            p = a + b - c
            near = min((a, b, c), key=lambda n: abs(p - n))
            row.append((v + (0, a, b, (a + b) // 2, near)[filtered[0]]) & 255)
        rows.append(bytes(row))
        before = rows[-1]
    return rows


def cells(rows):
    """Every cell as rows of pixels, and the zoom that the sheet was made with."""
    zoom = (len(rows) - GAP * (ROWS + 1)) // (ROWS * SIDE)
    assert len(rows) == GAP + ROWS * (SIDE * zoom + GAP)
    assert len(rows[0]) == 3 * (FIRST_GAP + COLUMNS * (SIDE * zoom + GAP))
    out = {}
    for row in range(ROWS):
        for column in range(COLUMNS):
            top = GAP + row * (SIDE * zoom + GAP)
            left = (FIRST_GAP if column else GAP) + column * (SIDE * zoom + GAP)
            out[row, column] = [
                [tuple(rows[top + y * zoom + k][3 * (left + x * zoom + k):][:3])
                 for k in range(zoom)] for y in range(SIDE) for x in range(SIDE)]
    assert all(len(set(p)) == 1 for cell in out.values() for p in cell), "zoomed pixels"
    return {at: [p[0] for p in cell] for at, cell in out.items()}


def is_half(got, own, others):
    return any(all(abs(g - (a + b) / 2) < 32 for q, r, s in zip(got, own, other)
                   for g, a, b in zip(q, r, s)) for other in others)


def is_cut(got, own, others):
    return any(all(g in (a, b) for g, a, b in zip(got, own, other)) and
               any(g != a for g, a in zip(got, own)) for other in others)


def main():
    all_cells, rule = cells(read_png(sys.argv[1])), sys.argv[2]
    white = (255, 255, 255)
    for (row, column), got in all_cells.items():
        own = all_cells[row, 0]
        others = [all_cells[r, 0] for r in range(ROWS) if r != row]
        assert len(set(own)) > 16, "an original is blank"
        if not column:
            continue
        if rule == "same":
            assert got == own
        elif rule == "mirrored":
            assert got == [own[y * SIDE + SIDE - 1 - x] for y in range(SIDE) for x in range(SIDE)]
        elif rule == "half":
            assert is_half(got, own, others)
        elif rule == "cut":
            assert is_cut(got, own, others)
        elif rule == "small":
            assert got == [p if 3 <= i // SIDE < 13 and 3 <= i % SIDE < 13 else white
                           for i, p in enumerate(own)]
    assert rule != "other" or any(all_cells[r, c] != all_cells[r, 0]
                                  for r in range(ROWS) for c in range(1, COLUMNS))


if __name__ == "__main__":
    main()
