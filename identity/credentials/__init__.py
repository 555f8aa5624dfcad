"""Verifiable credentials as signed tokens: W3C VCDM 1.1 as JWT, and 2.0 after VC-JOSE-COSE. Verified and issued."""
