"""Annotated folders: a user's own images with annotations by one or more people.

The folder holds `images/`, with or without a subfolder for each patient, and `annotations/`:

    annotations/<annotator>/<name>.png   a mask with the name of its image
    annotations/<name>_a<k>.png          or with the number of the annotator appended
    annotations/<name>.npy               or the masks of all annotators `[G, H, W]`

or a table `annotations.csv` with one line for each mask and the columns `image`, `annotator` and
`mask`, and optionally `patient`, `split` and `class`; paths are relative to the folder. Images and
masks are PNG, TIFF, BMP, GIF, npy, npz or NIfTI files, images also JPEG or DICOM; suffixes may
differ. A folder of the files of a DICOM series is one image if masks have its name.

What the masks of an annotator have in common before or after the names of their images is left out,
with a note. Files `<name>_0000`, `<name>_0001` are channels of one image. Links are followed.

Folders such as `images/train` and `images/test` give the splits.

A missing mask means that its annotator did not look at the image. An empty mask means that there is
nothing to annotate.
"""
