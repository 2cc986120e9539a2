"""Earlier releases: finds them, decides which are kept, and carries their files into the new tree."""
