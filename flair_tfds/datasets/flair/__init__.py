"""FLAIR: Federated Learning Annotated Image Repository."""
