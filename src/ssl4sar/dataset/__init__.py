"""Images in folders to arrays: the CaFFe tree, the pairs for the pretraining, and their stores."""
