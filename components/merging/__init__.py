"""Many models become one: merged tensor by tensor, averaged, or added up as task vectors."""
