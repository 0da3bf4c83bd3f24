"""One's own images with the annotations of one or more people, in a folder.

The folder holds `images/`, whose files may lie in folders of patients, and `annotations/`:

    annotations/<annotator>/<name>.png   a mask by the name of its image
    annotations/<name>_a<k>.png          or with the number of the annotator behind it

or a table `annotations.csv` with a line a mask and the columns `image`, `annotator` and `mask`, and
if wanted `patient` and `split`, in which files are named by their paths below the folder. Images
and masks are PNG, TIFF, npy, npz or NIfTI files, images also JPEG; suffixes may differ.

A mask that is not there means that its annotator did not look at the image; one in which nothing is
marked, that there is nothing to be marked.
"""
