"""Output of any tool: a folder of predictions, one of annotations, and optionally one of images.

Masks are PNG or npz files, in folders of any depth. The name of an image is the path of its files
below the folder, without suffix and, for PNG, without the part from the last underscore on; it must
be the same for predictions and annotations. The first folder of a name is the patient. An image
that is not in a folder is its own patient.

PNG, one file for each mask, 1, 2, 4, 8 or 16 bits, gray or palette (indices are the labels):

    predictions   <name>_s<k>.png   sample k
                  <name>_r<k>.png   reconstruction of annotation k; for all or no images
    annotations   <name>_a<k>.png   or, as in the published LIDC crops, <name>_l<k>.png: annotator k
    images        <name>.png        of any kind; colours become gray

k is any whole number; masks are ordered by it. The folders `<split>/gt` and `<split>/images` of the
LIDC crops are valid annotations and images.

npz, one file `<name>.npz` for each image, with these arrays and no others:

    predictions   samples [S, H, W], integer, or logits [S, H, W, K] or probabilities [S, H, W, K],
                  float, of which the first largest of the K classes is taken;
                  and, for all or no images, reconstructions [G, H, W], integer
    annotations   annotations [G, H, W], integer; and optionally
                  weights [G], the weight of each annotation, at least 0, not all 0
                  ignored [H, W], bool, pixels that are ignored
                  patient, a text, instead of the first folder of the name
                  image [H, W], integer or float, for figures

Labels are 0 to num_classes - 1. With two classes, 0 and 255 mean 0 and 1 in a PNG file or npz array
without other values. A pixel is ignored if any annotation has `ignore_label` there; predictions may
not have this label. The number of samples is the same for all images; that of annotations may
differ.

Stray files, and files other than PNG and npz, are skipped. A PNG or npz with another name than the
above is refused. A folder of images may hold more images than are scored.
"""

from hpunet.evaluation.folders.images import FolderImages, open_folders

__all__ = ["FolderImages", "open_folders"]
