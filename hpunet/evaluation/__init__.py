"""How a sampler is judged: its samples and the graders' masks in, scores with intervals out."""
