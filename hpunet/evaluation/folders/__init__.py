"""Any tool's output: a folder of predictions, a folder of annotations, perhaps one of images.

Masks are PNG or npz files, in folders of any depth. The name of an image is the path of its files
below the folder, without what follows the last underscore of a PNG's name and without the ending
of an npz; it must be the same among the predictions and the annotations. The first folder of a name
is the patient. An image in no folder is its own patient.

PNG, one mask a file, 1, 2, 4, 8 or 16 bits, gray or palette (whose indices are the labels):

    predictions   <name>_s<k>.png   sample k
                  <name>_r<k>.png   annotation k rebuilt from its own latents; for all or no images
    annotations   <name>_a<k>.png   or, as in the published LIDC crops, <name>_l<k>.png: annotator k
    images        <name>.png        of any kind; colours are turned to gray

k is any whole number; masks are ordered by it. The folders `<split>/gt` and `<split>/images` of the
LIDC crops are annotations and images as they are.

npz, one image a file `<name>.npz`, with these arrays and no others:

    predictions   samples [S, H, W], integer, or logits [S, H, W, K] or probabilities [S, H, W, K],
                  float, of which the first largest of the K classes is taken;
                  and, for all or no images, reconstructions [G, H, W], integer
    annotations   annotations [G, H, W], integer; and optionally
                  weights [G], how much each annotation counts, at least 0, not all 0
                  ignored [H, W], bool, pixels that count nowhere
                  patient, a text, instead of the first folder of the name
                  image [H, W], integer or float, for figures

A label is one of 0 to num_classes - 1. With two classes a PNG file or an npz array that holds
nothing but 0 and 255 means 0 and 1. A pixel is ignored if any annotation has `ignore_label` there;
predictions have no such label. The number of samples is the same for all images; that of
annotations need not be.

Hidden files and files that are neither PNG nor npz are passed over; a PNG or npz whose name is none
of the above is refused. A folder of images may hold more than those that are scored.
"""

from hpunet.evaluation.folders.cases import FolderCases, open_folders

__all__ = ["FolderCases", "open_folders"]
