"""Durations, moments, time zones and schedules: what people write about time, and what it means."""
