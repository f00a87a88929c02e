"""What a run is: topologies, scenarios and endpoints as validated data, and the plan made of them."""
