"""How big: tokens become bytes, exactly."""
