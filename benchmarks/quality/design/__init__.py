"""Does a design find the front, and may its claims be believed?"""
