"""How a sampler is judged: its samples and the annotators' masks in, scores with intervals out."""
