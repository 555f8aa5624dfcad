"""Features, classifier, training, evaluation. Plain values in, plain values out; knows nothing of the node."""
