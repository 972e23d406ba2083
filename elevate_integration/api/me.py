"""`me/courses/`: the courses of whoever is logged in, and of nobody else."""

from __future__ import annotations

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from elevate_integration.api.base import ApiView, answers, described
from elevate_integration.api.serializers import CoursesSerializer
from elevate_integration.members.courses import courses_of


class MyCoursesView(ApiView):
    """For every log-in; no permission is needed."""

    permission_classes = [IsAuthenticated]

    @described(
        description="Give the courses of the member who asks, those bought by somebody else too.",
        responses=answers({200: CoursesSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Give them."""
        return Response(CoursesSerializer(courses_of(request.user)).data)
