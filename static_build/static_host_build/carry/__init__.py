"""Earlier releases: where they are found, which of them are kept, and how their files come into the new tree."""
