"""The providers' clients, on `FrameSocket` alone: they know the agent's seams and G.711, nothing else of the house."""
