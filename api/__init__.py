"""The serving side: answers of promoted models over HTTP, from data alone."""
