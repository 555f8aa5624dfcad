"""The proof: a Merkle log of accepted mail, signed checkpoints, anchors on a chain, receipts and their verification."""
