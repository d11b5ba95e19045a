"""A server in an image of its own: built, run, asked once. Arguments: a static server that listens on 8080."""

import shutil
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

import osvm


def build(root: Path, image: Path) -> None:
    osvm.build_image(root, image, "entry: /bin/server\nlisten: [tcp:8080]\nwritable: [/tmp]\n")


def serve(image: Path) -> bytes:
    app = osvm.AppImage(image)
    with osvm.Instance([], image=app, publish={"127.0.0.1:0": 8080}, events=["denials"]) as guest:
        guest.endpoint(8080)
        answer = urlopen(f"http://{guest.published[0].removeprefix('tcp:')}/").read()
        for event in guest.take_events():
            print("denied:", event.text, "- would be granted by", event.rule)
    return answer


def main() -> None:
    with tempfile.TemporaryDirectory() as work:
        program = Path(work, "root/bin/server")
        program.parent.mkdir(parents=True)
        shutil.copy(sys.argv[1], program)
        build(Path(work, "root"), Path(work, "server.osvm"))
        print(len(serve(Path(work, "server.osvm"))), "bytes")


if __name__ == "__main__":
    main()
