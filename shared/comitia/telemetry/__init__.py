"""What Comitia tells of itself: the names of spans, attributes and metrics, their set-up, and
spans over Kafka's headers.
"""
