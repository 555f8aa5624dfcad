"""The OAuth provider's effects: codes and tokens out, tokens in. What is pure about it is in identity.oauth."""
