"""What all figures share: the width of a page, sizes of letters, colours."""

# Inches, dots an inch, points. What is looked at on a screen is wider than what is printed.
WIDTH = 10.0
PAGE = 7.0
RESOLUTION = 160
PRINT_RESOLUTION = 300
GAP = 0.02
FONT = 8
SMALL = 7
# Okabe and Ito's colours; the contour is the one that stands out most on grey.
CONTOUR = "#E69F00"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# On black, the first ones as far apart as can be in grey print, too.
CLASSES = ("#F0E442", "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
