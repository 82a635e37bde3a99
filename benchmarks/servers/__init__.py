"""What a user would serve with instead, each in its shortest correct form."""
