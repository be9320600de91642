"""Random and damaged scripts, ebuilds and profiles, judged by bash and Portage."""
