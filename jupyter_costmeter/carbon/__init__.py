"""Carbon intensity of electricity by place: the shipped snapshot, and what the environment says of the place."""
