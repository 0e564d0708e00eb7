"""Images of products: taken in, kept in object storage, made smaller by workers, and served."""
