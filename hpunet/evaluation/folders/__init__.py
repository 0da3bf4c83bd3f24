"""Output of any tool: a folder of predictions, one of annotations, and optionally one of images.

Masks are files in folders of any depth. The name of an image is the path of its files below the
folder, without suffix and without the part that names the mask; it must be the same for predictions
and annotations. The first folder of a name is the patient. An image that is not in a folder is its
own patient.

One file for each mask: PNG, TIFF, BMP, GIF, npy or NIfTI, integers of any type, gray, palettes
(indices are the labels), or RGB with three equal channels:

    predictions   <name>_s<k>.png              sample k
                  <name>_r<k>.png              reconstruction of annotation k; for all or no images
                  <name>/sample_<k>.png        sample k, as `hpunet.sample` writes it
    annotations   <name>_a<k>.png              annotator k; or, as in the published LIDC crops,
                  <name>_l<k>.png
                  <annotator>/<name>.png       as training reads them; npz with a single array, too
    images        <name>.png                   of any kind; colours become gray; or another format

k is any whole number; masks are ordered by it. The folders `<split>/gt` and `<split>/images` of the
LIDC crops are valid annotations and images. Of a PNG, damage anywhere is refused.

One file for all masks of an image: what `hpunet.sample` writes, `<name>/samples.npy` and
`<name>/samples.dcm`; annotations `[G, H, W]` as `<name>.npy`, TIFF, NIfTI or npz with one array; or
`<name>.npz` with these arrays and no others:

    predictions   samples [S, H, W], integer, or logits [S, H, W, K] or probabilities [S, H, W, K],
                  float, of which the first largest of the K classes is taken;
                  and, for all or no images, reconstructions [G, H, W], integer
    annotations   annotations [G, H, W], integer; and optionally
                  weights [G], the weight of each annotation, at least 0, not all 0
                  ignored [H, W], bool, pixels that are ignored
                  patient, a text, instead of the first folder of the name
                  image [H, W], integer or float, for figures

Files of masks may hold the slices of a volume; each slice is an image `<name>/slice_<k>`. Of a
folder that `hpunet.sample` wrote, `results.json` says which slices were drawn.

Instead of a folder of masks, annotations may be an annotated folder, with `images` and
`annotations` or a table, which is read as for training; see `hpunet.data.folder`. It may hold more
images than are predicted.

Labels are 0 to num_classes - 1. With two classes, 0 and 255 mean 0 and 1 in a file or npz array
without other values. A configuration may give other values or colours to the classes of
annotations. A pixel is ignored if any annotation has `ignore_label` there; predictions may not have
this label. The number of samples is the same for all images; that of annotations may differ.

Stray files, and files of other formats, are skipped. A mask with another name than the above is
refused. A folder of images may hold more images than are scored. An image whose files cannot be
read is not scored, and does not stop the others.
"""

from hpunet.evaluation.folders.images import FolderImages, open_folders

__all__ = ["FolderImages", "open_folders"]
