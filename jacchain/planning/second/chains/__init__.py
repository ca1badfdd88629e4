"""Hessians of chains by their sizes: the full tensor d_n × d_0 × d_0 from the derivatives of the links."""
