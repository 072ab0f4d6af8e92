"""Mean SSIM (Wang et al. 2004) of the renditions in two folders, each against the original scaled by Lanczos."""
import glob
import os
import sys

import numpy
from PIL import Image, ImageOps
from skimage.metrics import structural_similarity


def grey(image, size):
    return numpy.asarray(image.convert("L").resize(size, Image.LANCZOS) if image.size != size else image.convert("L"))


ours, theirs, *files = sys.argv[1:]
originals = [ImageOps.exif_transpose(Image.open(file)).convert("RGB") for file in files]
for kind in ("webp", "jpg"):
    for name, folder in (("ours", ours), ("sharp", theirs)):
        found = []
        for path in sorted(glob.glob(f"{folder}/*.{kind}")):
            rendition = Image.open(path)
            original = originals[int(os.path.basename(path).split("-")[0])]
            found.append(structural_similarity(grey(original, rendition.size), grey(rendition, rendition.size)))
        print(f"SSIM {kind} {name}: {sum(found) / len(found):.4f} over {len(found)} renditions")
