"""Annotated folders: a user's own images with annotations by one or more people.

The folder holds `images/`, with or without a subfolder for each patient, and `annotations/`:

    annotations/<annotator>/<name>.png   a mask with the name of its image
    annotations/<name>_a<k>.png          or with the number of the annotator appended

or a table `annotations.csv` with one line for each mask and the columns `image`, `annotator` and
`mask`, and optionally `patient` and `split`; paths are relative to the folder. Images and masks are
PNG, TIFF, BMP, GIF, npy, npz or NIfTI files, images also JPEG; suffixes may differ.

A missing mask means that its annotator did not look at the image. An empty mask means that there is
nothing to annotate.
"""
